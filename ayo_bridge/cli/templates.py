"""`ayo-bridge templates`: what was learned of functions and objects, and is kept on disk."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ayo_bridge.learn.disk.kept import KeptTemplate, TemplateStore

app = typer.Typer(
    name="templates",
    help="List, show or forget what was learned of functions and objects.",
    no_args_is_help=True,
)

_Directory = Annotated[
    Path | None,
    typer.Option("--directory", help="Where templates are kept; the runtime's own by default."),
]


@app.command("list")
def list_templates(directory: _Directory = None) -> None:
    """List the learned templates, the latest first."""
    from rich.table import Table

    console, store = _console(), _store(directory)
    found, damaged = _read(store)
    if found:
        table = Table("entry", "learned", "calls", "sites", "expected gain")
        table.columns[0].overflow = "fold"
        for column in table.columns[2:]:
            column.justify = "right"
        for _, each in found:
            calls, sites = str(each.calls), str(len(each.template.sites))
            table.add_row(each.entry.name, _when(each), calls, sites, _gain(each))
        console.print(table)
    elif not damaged:
        console.print(f"There are no learned templates in {store.directory}.")
    _complain(console, damaged)


@app.command("show")
def show(
    entry: Annotated[str, typer.Argument(help="Its name, as `list` shows it.")],
    directory: _Directory = None,
) -> None:
    """Show the sites of a learned template, with their programs in words."""
    console, store = _console(), _store(directory)
    found, damaged = _read(store)
    shown = [each for _, each in found if each.entry.name == entry]
    for each in shown:
        for line in _shown(each):
            console.print(_wrapped(line, console.width))
    if not shown:
        _complain(console, damaged)
        _unknown(entry, store)


@app.command("forget")
def forget(
    entry: Annotated[str | None, typer.Argument(help="Its name, as `list` shows it.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Forget all templates, damaged files too.")
    ] = False,
    directory: _Directory = None,
) -> None:
    """Delete learned templates. Running processes keep what they have learned."""
    console, store = _console(), _store(directory)
    if (entry is None) != every:
        raise typer.BadParameter("name an entry, or say --all")
    if entry is None:
        count = store.clear()
    else:
        paths = [path for path, each in _read(store)[0] if each.entry.name == entry]
        for path in paths:
            path.unlink(missing_ok=True)
        if not (count := len(paths)):
            _unknown(entry, store)
    console.print(f"{count} learned template{'' if count == 1 else 's'} forgotten.")


def _console() -> Console:
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False)


def _store(directory: Path | None) -> TemplateStore:
    from ayo_bridge.learn.disk.kept import TemplateStore

    return TemplateStore(directory)


def _read(
    store: TemplateStore,
) -> tuple[list[tuple[Path, KeptTemplate]], list[tuple[Path, str]]]:
    """The templates, the latest first, and the files that hold none, each with the reason."""
    from ayo_bridge.learn.disk.kept import UnreadableTemplateError, read

    found: list[tuple[Path, KeptTemplate]] = []
    damaged: list[tuple[Path, str]] = []
    for path in store.files():
        try:
            found.append((path, read(path)))
        except FileNotFoundError:
            continue  # Another process has just deleted it.
        except (OSError, UnreadableTemplateError) as error:
            damaged.append((path, str(error)))
    found.sort(key=lambda each: (-each[1].learned, each[1].entry.name))
    return found, damaged


def _complain(console: Console, damaged: list[tuple[Path, str]]) -> None:
    for path, reason in damaged:
        console.print(
            f"{path.name} is ignored: {reason}; `ayo-bridge templates forget --all` deletes it."
        )


def _unknown(entry: str, store: TemplateStore) -> NoReturn:
    typer.secho(
        f"There is no learned template of {entry} in {store.directory}.", fg="red", err=True
    )
    raise typer.Exit(1)


def _when(kept: KeptTemplate) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(kept.learned).strftime("%Y-%m-%d %H:%M")


def _gain(kept: KeptTemplate) -> str:
    won, before = kept.before - kept.after - kept.own, kept.before
    return f"{won * 1000:.0f} of {before * 1000:.0f} ms"


def _shown(kept: KeptTemplate) -> list[str]:
    from ayo_bridge.learn.describe import describe_site

    versions = ", ".join(f"{name} {number}" for name, number in sorted(kept.versions.items()))
    lines = [
        kept.entry.name,
        f"  learned {_when(kept)} from {kept.calls} calls; expected gain {_gain(kept)}",
        f"  with {versions}",
    ]
    numbers = {each.site: at for at, each in enumerate(kept.template.sites, 1)}
    for each in kept.template.sites:
        lines += [f"  {line}" for line in describe_site(each, numbers).splitlines()]
        if where := kept.frames.get(each.site):
            lines.append(f"    at {' < '.join(where[-2:])}")
    return lines


def _wrapped(line: str, width: int) -> str:
    """A line in several, further ones indented; without characters that a terminal obeys."""
    plain = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in line)
    indent = " " * (len(plain) - len(plain.lstrip()) + 4)
    return textwrap.fill(plain, width, subsequent_indent=indent, break_on_hyphens=False)
