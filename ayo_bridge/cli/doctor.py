"""`ayo-bridge doctor`: what of an installation ayo-bridge can use, and what to change."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    server: Annotated[
        list[str] | None,
        typer.Option(
            help="Base URL of an LLM server to ask; may be repeated. By default the one in "
            "OPENAI_BASE_URL, and those that serve-llm runs here."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check libraries, servers, proxies, files and settings. Exit status 1: there is a problem."""
    import shutil

    from ayo_bridge.doctor import as_json, as_text, examine

    report = examine(server or ())
    if json:
        typer.echo(as_json(report))
    else:
        typer.echo(as_text(report, min(shutil.get_terminal_size().columns, 100)), nl=False)
    if report.problems:
        raise typer.Exit(1)
