"""The commands of `ayo-bridge`.

Each command is a function in a module of its own, registered below. Those modules import what they
need inside the function, so that `ayo-bridge --help` stays quick.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ayo_bridge.cli import bench, doctor, profile, run, serve, serve_sim, templates, top, verify
from ayo_bridge.errors import AyoBridgeError

__all__ = ["app"]


class _ReportingErrors(TyperGroup):
    """Shows our own errors as their message; a traceback helps nobody there."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AyoBridgeError as error:
            typer.secho(f"{type(error).__name__}: {error}", fg="red", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="ayo-bridge",
    cls=_ReportingErrors,
    help="Run LLM applications as optimised primitive graphs on stock engines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ayo-bridge {version('ayo-bridge')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Run LLM applications as optimised primitive graphs on stock engines."""


app.command("serve-llm")(serve.serve_llm)
app.command("serve-sim")(serve_sim.serve_sim)
app.command("run", cls=run.RunCommand, context_settings=run.SETTINGS, options_metavar=run.USAGE)(
    run.run
)
app.command("profile")(profile.profile)
app.command("doctor")(doctor.doctor)
app.command("top")(top.top)
app.command("verify")(verify.verify)
app.command("bench")(bench.bench)
app.add_typer(templates.app)
