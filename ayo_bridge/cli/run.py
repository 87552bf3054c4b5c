"""`ayo-bridge run`: an unchanged program, accelerated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

USAGE: Final = "[OPTIONS] {app.py | -m PACKAGE | -- COMMAND} [ARGS]..."
SETTINGS: Final = {"allow_extra_args": True, "allow_interspersed_args": False}
_AS_COMMAND: Final = "ayo_bridge.command"


class RunCommand(TyperCommand):
    """Options end where the program begins, at its name, ``-m`` or ``--``, as Python's own do."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Leave everything of the program's to the program."""
        valued = {
            name for each in self.params if not getattr(each, "is_flag", True) for name in each.opts
        }
        at = 0
        while at < len(args) and args[at][:1] == "-" != args[at] and args[at][:2] != "-m":
            if args[at] == "--":
                ctx.meta[_AS_COMMAND] = True
                return super().parse_args(ctx, args)
            at += 2 if args[at] in valued else 1
        return super().parse_args(ctx, [*args[:at], "--", *args[at:]])


def run(
    context: typer.Context,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say at exit, on stderr, what was done and why.")
    ] = False,
    stats: Annotated[
        bool, typer.Option("--stats", help="Write counters at exit, on stderr.")
    ] = False,
    otel: Annotated[
        bool, typer.Option("--otel", help="Export OpenTelemetry spans of every call.")
    ] = False,
    metrics_port: Annotated[
        str | None,
        typer.Option("--metrics-port", help="Serve Prometheus metrics there: [HOST:]PORT."),
    ] = None,
    timeline: Annotated[
        Path | None,
        typer.Option("--timeline", help="Write the last calls at exit: .html or .json."),
    ] = None,
    top: Annotated[
        bool, typer.Option("--top", help="Show its processes in `ayo-bridge top`.")
    ] = False,
    no_learn: Annotated[
        bool, typer.Option("--no-learn", help="Accelerate only what is known beforehand.")
    ] = False,
    verify: Annotated[
        str | None,
        typer.Option("--verify", help="Compare this share of calls (0 to 1) with the original."),
    ] = None,
    log: Annotated[
        str | None, typer.Option("--log", help="Log to stderr from this level on.")
    ] = None,
) -> None:
    """Run a program with its LlamaIndex and LangChain calls accelerated, unchanged.

    A script, -m and a module, or any command after --, with all Python processes that it starts.

    Input, output, signals and exit status are the program's. AYO_BRIDGE=0 runs it as it is.
    """
    from ayo_bridge.autorun.launch import launch
    from ayo_bridge.autorun.settings import variables

    if not context.args:
        raise typer.BadParameter("name a program: app.py, -m package, or -- command")
    _check(timeline, log, verify, metrics_port)
    told = variables(
        explain=explain,
        stats=stats,
        timeline=str(timeline) if timeline is not None else None,
        learn=not no_learn,
        log=log,
        verify=verify,
        otel=otel,
        top=top,
        metrics_port=metrics_port,
    )
    told |= _engines()
    launch(context.args, told, as_command=bool(context.meta.get(_AS_COMMAND)))


def _engines() -> dict[str, str]:
    """The file of declared engines as a variable, if there is one; the program may go elsewhere."""
    named = os.environ.get("AYO_ENGINES", "").strip()
    if not named:
        return {}
    from ayo_bridge.engines.declared_file import named_engines

    named_engines()  # Else the program would fail, at its first call.
    return {"AYO_ENGINES": os.path.abspath(named)}


def _check(
    timeline: Path | None, log: str | None, verify: str | None, metrics_port: str | None
) -> None:
    from ayo_bridge.autorun.exports import address_of
    from ayo_bridge.cli.quick import is_share
    from ayo_bridge.errors import ArgumentError

    if timeline is not None and timeline.suffix.lower() not in (".html", ".json"):
        raise typer.BadParameter(f"--timeline is a .html or a .json file, not {timeline}")
    if log is not None and log.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise typer.BadParameter(f"--log is debug, info, warning, error or critical, not {log}")
    if not is_share(verify):
        raise typer.BadParameter(f"--verify is a share of calls from 0 to 1, not {verify}")
    if metrics_port is not None:
        try:
            address_of(metrics_port)
        except ArgumentError as error:
            raise typer.BadParameter(str(error)) from error
