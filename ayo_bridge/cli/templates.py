"""`ayo-bridge templates`: what was learned of functions and objects, and is kept on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ayo_bridge.learn.kept import KeptTemplate, TemplateStore

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
    kept, damaged = _read(store)
    if kept:
        table = Table("entry", "learned", "calls", "sites", "expected gain")
        table.columns[0].overflow = "fold"
        for column in table.columns[2:]:
            column.justify = "right"
        for each in kept:
            calls, sites = str(each.calls), str(len(each.template.sites))
            table.add_row(each.entry.name, _when(each), calls, sites, _gain(each))
        console.print(table, markup=False)
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
    kept, damaged = _read(store)
    found = [each for each in kept if each.entry.name == entry]
    for each in found:
        for line in _shown(each):
            console.print(line)
    if not found:
        _complain(console, damaged)
        raise _unknown(entry, store)


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
        kept, _ = _read(store)
        found = [each for each in kept if each.entry.name == entry]
        for each in found:
            store.path(each.entry).unlink(missing_ok=True)
        if not (count := len(found)):
            raise _unknown(entry, store)
    console.print(f"{count} learned template{'' if count == 1 else 's'} forgotten.")


def _console() -> Console:
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False)


def _store(directory: Path | None) -> TemplateStore:
    from ayo_bridge.learn.kept import TemplateStore

    return TemplateStore(directory)


def _read(store: TemplateStore) -> tuple[list[KeptTemplate], list[tuple[Path, str]]]:
    """The templates, the latest first, and the files that hold none, each with the reason."""
    from ayo_bridge.learn.kept import UnreadableTemplateError, read

    kept: list[KeptTemplate] = []
    damaged: list[tuple[Path, str]] = []
    for path in store.files():
        try:
            kept.append(read(path))
        except FileNotFoundError:
            continue  # Another process has just deleted it.
        except (OSError, UnreadableTemplateError) as error:
            damaged.append((path, str(error)))
    return sorted(kept, key=lambda each: (-each.learned, each.entry.name)), damaged


def _complain(console: Console, damaged: list[tuple[Path, str]]) -> None:
    for path, reason in damaged:
        console.print(f"{path.name} is ignored: {reason}.")


def _unknown(entry: str, store: TemplateStore) -> typer.BadParameter:
    return typer.BadParameter(f"there is no learned template of {entry} in {store.directory}")


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
