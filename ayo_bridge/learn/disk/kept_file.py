"""One learned template in a file: what is in it, and how it is read again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ayo_bridge.learn.disk.entry_id import EntryId
from ayo_bridge.learn.disk.storage import template_from_json, template_to_json
from ayo_bridge.learn.template import Template

FORMAT: Final = 1
MOST_BYTES: Final = 1_000_000
"""Of one file; what is larger is not kept."""
_DIGEST_BYTES: Final = 8
_FRAMEWORKS: Final = {
    "llama_index.core": "llama-index-core",
    "langchain_core": "langchain-core",
    "langgraph.pregel": "langgraph",
}


class UnreadableTemplateError(ValueError):
    """A file is no learned template, or one that another version or user has written."""


class DamagedTemplateError(UnreadableTemplateError):
    """A file holds no learned template any more: nothing is lost with it."""


@dataclass(frozen=True, slots=True)
class KeptTemplate:
    """A learned template with what is needed to use it again, and nothing of any client.

    Args:
        versions: of Python and the frameworks that it was learned with.
        learned: seconds since the epoch.
        calls: how many it was learned from.
        before, after, own: seconds of a call, as in a lesson.
        by_branch, shaky: sites, as in a lesson.
        frames: where each site is in the program, for people, the innermost first.
        spread: sites, as in a lesson.
    """

    entry: EntryId
    versions: Mapping[str, str]
    learned: float
    calls: int
    before: float
    after: float
    own: float
    by_branch: frozenset[str]
    shaky: frozenset[str]
    template: Template
    frames: Mapping[str, tuple[str, ...]]
    spread: frozenset[str] = frozenset()


def read(path: Path) -> KeptTemplate:
    """The template in a file.

    Raises:
        OSError: it cannot be read.
        UnreadableTemplateError: it holds none, or one of another version or user.
    """
    there = path.stat()
    if hasattr(os, "geteuid") and there.st_uid != os.geteuid():
        raise UnreadableTemplateError("it belongs to another user")
    if there.st_size > MOST_BYTES:
        raise UnreadableTemplateError("it is larger than any that is kept")
    try:
        data = json.loads(path.read_bytes())
        found = data["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedTemplateError("it is damaged") from error
    if found != FORMAT:
        raise UnreadableTemplateError(
            f"it has format {found!r} of another version of ayo-bridge; this one reads {FORMAT}"
        )
    try:
        if data.pop("digest") != _digest(data):
            raise ValueError("its content is not what was written")
        return _from_json(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedTemplateError("it is damaged") from error


def versions() -> dict[str, str]:
    """Of Python, on whose bytecode sites depend, and of the frameworks that are imported."""
    found = {"python": _python()}
    for module, name in _FRAMEWORKS.items():
        if module in sys.modules and (installed := _installed(name)):
            found[name] = installed
    return found


def holds(learned_with: Mapping[str, str]) -> bool:
    """Whether versions are those of today. A framework may be imported later than it is asked."""
    return learned_with.get("python") == _python() and all(
        _installed(name) == number for name, number in learned_with.items() if name != "python"
    )


def _python() -> str:
    return f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def name_of(template: Template) -> str:
    """What a template says of requests, as a digest: not on how many calls that rests."""
    data: Any = template_to_json(template)
    says = {
        site["site"]: [
            site["count"],
            [[own["visits"], _says(own["program"])] for own in site["classes"]],
        ]
        for site in data["sites"]
    }
    return blake2b(_text(says).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _says(program: Any) -> Any:
    """A program without with how many inputs its constants were seen."""
    match program:
        case ["const", text, _]:
            return ["const", text]
        case [*parts]:
            return [_says(part) for part in parts]
    return program


def as_text(kept: KeptTemplate) -> str:
    """What :func:`read` reads: ASCII."""
    data = _to_json(kept)
    return _text({**data, "digest": _digest(data)})


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"))


def _digest(data: Mapping[str, Any]) -> str:
    """Tells what was changed or cut from what was written: a wrong template costs time."""
    return blake2b(_text(data).encode(), digest_size=16).hexdigest()


def _to_json(kept: KeptTemplate) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "entry": kept.entry.name,
        "code": kept.entry.code,
        "versions": dict(kept.versions),
        "learned": kept.learned,
        "calls": kept.calls,
        "seconds": [kept.before, kept.after, kept.own],
        "by_branch": sorted(kept.by_branch),
        "shaky": sorted(kept.shaky),
        "spread": sorted(kept.spread),
        "template": template_to_json(kept.template),
        "frames": {site: list(frames) for site, frames in kept.frames.items()},
    }


def _from_json(data: Mapping[str, Any]) -> KeptTemplate:
    before, after, own = map(float, data["seconds"])
    return KeptTemplate(
        EntryId(str(data["entry"]), str(data["code"])),
        {str(name): str(number) for name, number in data["versions"].items()},
        float(data["learned"]),
        int(data["calls"]),
        before,
        after,
        own,
        frozenset(map(str, data["by_branch"])),
        frozenset(map(str, data["shaky"])),
        template_from_json(data["template"]),
        {str(site): tuple(map(str, frames)) for site, frames in data["frames"].items()},
        frozenset(map(str, data["spread"])),
    )
