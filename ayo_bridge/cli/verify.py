"""`ayo-bridge verify`: whether an application answers the same when it is accelerated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    target: Annotated[str, typer.Argument(help="app.py:engine, or package.module:name.")],
    questions: Annotated[
        Path, typer.Option(help="A file with one question, or one JSON object, a line.")
    ],
    calls: Annotated[
        int | None, typer.Option(min=1, help="Ask the first so many questions.")
    ] = None,
    entry: Annotated[
        str, typer.Option(help="The method to call, e.g. aquery or astream; its first by default.")
    ] = "",
    learn: Annotated[
        int | None,
        typer.Option(min=0, help="Ask so many first to learn from; what learning needs, if unset."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask each question of the original and of the accelerated object, and compare.

    Answers, sources and requests are compared. Engines are asked twice; so are tools and writes.

    Exit status 0: all the same; 1: something differs; 2: it could not be run.
    """
    import shutil

    from ayo_bridge.cli.progress import Shown
    from ayo_bridge.verify import Target, VerifyError, as_json, as_text, load, read_questions
    from ayo_bridge.verify import verify as compare

    try:
        where, asked = Target.of(target), read_questions(questions, calls)
        with Shown(f"importing {where.where}") as told:
            loaded = load(where, entry)
            report = compare(loaded, asked, learn=learn, name=target, told=told)
    except VerifyError as error:
        typer.secho(f"{type(error).__name__}: {error}", fg="red", err=True)
        raise typer.Exit(2) from error
    if json:
        typer.echo(as_json(report))
    else:
        typer.echo(as_text(report, min(shutil.get_terminal_size().columns, 100)), nl=False)
    if report.differences:
        raise typer.Exit(1)
