"""What is ingested: the lines of a file, or the files of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ayo_bridge.bench.wrong import BenchError
from ayo_bridge.lift.ingests import Text
from ayo_bridge.verify.lines import json_of, lines_of

_FIELDS: Final = frozenset({"text", "metadata", "id"})
_SUFFIXES: Final = (".txt", ".md", ".rst", ".html", ".json", ".csv")


class Documents(list[Any]):
    """Documents as one input, which is shown by its size."""

    def __repr__(self) -> str:
        """``40 documents``."""
        return f"{len(self)} document{'' if len(self) == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Corpus:
    """What was ingested.

    Args:
        documents, chunks: of one run; ``None``: it does not say what it stored.
        notes: what could not be compared, and why.
    """

    documents: int
    chunks: int | None
    notes: tuple[str, ...] = ()


def read_documents(path: Path) -> list[Text]:
    """The documents of a file, one a line, or of a folder, one a file.

    A line that begins with ``{`` is a JSON object: ``text``, and ``metadata`` and ``id`` if it has
    them. In a folder, what is not text is left out; metadata say the file's name.

    Raises:
        BenchError: it cannot be read, holds no document, or a line is none.
    """
    try:
        found = _folder(path) if path.is_dir() else _lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"the documents in {path} cannot be read: {error}") from error
    if not found:
        how = f"a file ({', '.join(_SUFFIXES)}) for each" if path.is_dir() else "one a line"
        raise BenchError(f"{path} holds no document: write {how}")
    return found


def _lines(path: Path) -> list[Text]:
    lines = lines_of(path)
    found = [_document(path, at, line) for at, line in enumerate(lines, 1) if line.strip()]
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BenchError(f"two documents of {path} have the id {twice}: each needs its own")
    return found


def _document(path: Path, at: int, line: str) -> Text:
    name = f"{path.name}:{at}"
    if not line.lstrip().startswith("{"):
        return Text(line.strip(), name=name)
    try:
        said = json_of(line)
    except ValueError as error:
        raise BenchError(f"line {at} of {path} is no JSON: {error}") from error
    text, metadata = said.get("text"), said.get("metadata", {})
    if not isinstance(text, str) or not isinstance(metadata, dict) or not said.keys() <= _FIELDS:
        raise BenchError(
            f'line {at} of {path} is no document: write {{"text": "...", "metadata": {{...}}}}, '
            'and "id" if it has one'
        )
    given = said.get("id") is not None
    return Text(text, metadata, str(said["id"]) if given else name, given)


def _folder(path: Path) -> list[Text]:
    files = sorted(each for each in path.rglob("*") if each.suffix in _SUFFIXES and each.is_file())
    found = []
    for file in files:
        name = file.relative_to(path).as_posix()
        text = file.read_text("utf-8")
        if text.strip():
            found.append(Text(text, {"file_name": name}, name))
    return found


__all__ = ["Corpus", "Documents", "read_documents"]
