"""`ayo-bridge top`: what running processes do, live."""

from __future__ import annotations

from typing import Annotated

import typer

_LEAST = 0.2


def top(
    once: Annotated[bool, typer.Option("--once", help="Print one frame and end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, once.")] = False,
    every: Annotated[
        float, typer.Option(help="Seconds between two looks.", min=_LEAST, metavar="SECONDS")
    ] = 1.0,
) -> None:
    """Show calls, engines, queues, servers and replicas of all your processes that show themselves.

    Those are started with `ayo-bridge run --top`, or with AYO_TOP=1. Ctrl-C ends it.

    Once, where the output is no terminal, too. Exit status 1: no process shows itself.
    """
    import sys

    from rich.console import Console

    from ayo_bridge.top import NOBODY, ask_all, drawn, sums

    if json:
        _print_json()
    elif once or not sys.stdout.isatty():
        now = sums(ask_all())
        if not now.processes:
            typer.echo(NOBODY, err=True)
            raise typer.Exit(1)
        console = Console()
        console.print(drawn(now))
    else:
        _live(every)


def _print_json() -> None:
    from json import dumps

    from ayo_bridge.top import ask_all

    processes = ask_all()
    typer.echo(dumps({"processes": [each.to_dict() for each in processes]}, indent=1))
    if not processes:
        raise typer.Exit(1)


def _live(every: float) -> None:
    """Look again and again, on a screen of its own."""
    import time

    from rich.console import Console
    from rich.live import Live

    from ayo_bridge.top import ask_all, drawn, sums

    before, at = sums(ask_all()), time.monotonic()
    try:
        with Live(drawn(before), console=Console(), screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(every)
                now, then, at = sums(ask_all()), at, time.monotonic()
                live.update(drawn(now, before, at - then), refresh=True)
                before = now
    except KeyboardInterrupt:
        return
