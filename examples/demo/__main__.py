"""``python -m examples.demo``: what acceleration does to three ordinary query engines."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from ayo_bridge.errors import AyoBridgeError
from examples.demo.settings import Settings, quiet_environment

_STOPPED = "stopped; no engine is left running"
console = Console(highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    model: Annotated[
        str | None,
        typer.Option(envvar="AYO_MODEL", help="Model to serve; the built-in one is untrained."),
    ] = None,
    embedding: Annotated[str | None, typer.Option(help="Embedding model.")] = None,
    reranker: Annotated[str | None, typer.Option(help="Cross-encoder.")] = None,
    dtype: Annotated[
        str,
        typer.Option(help="Weights; below float32, answers depend on how requests are batched."),
    ] = "float32",
    chunks: Annotated[int, typer.Option(min=8, help="How many chunks to ingest.")] = 600,
    rounds: Annotated[int, typer.Option(min=1, help="Questions to each engine.")] = 5,
    results: Annotated[Path, typer.Option(help="Directory for the trace pages.")] = Path(
        "out/demo"
    ),
    json_file: Annotated[Path | None, typer.Option("--json", help="File for all figures.")] = None,
    verbose: Annotated[bool, typer.Option(help="Explain what was done to one engine.")] = False,
    ray: Annotated[
        bool, typer.Option("--ray", help="Accelerated, embed in a Ray actor (extra ray).")
    ] = False,
    quick: Annotated[bool, typer.Option(help="A tiny model, little text, one round.")] = False,
) -> None:
    """Compare query engines with their accelerated selves, on real engines."""
    settings = Settings(
        model, embedding, reranker, dtype, chunks, rounds=rounds, results=results,
        json_file=json_file, verbose=verbose, ray=ray,
    )  # fmt: skip
    if quick:
        settings = settings.quick()
    from examples.demo.run import run

    raise typer.Exit(run(settings, console))


def main() -> None:
    """Run the demo; 1 if an answer differs, 130 if it was interrupted."""
    quiet_environment()
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.default_int_handler(number, frame)

    # Both end every engine in order. (A shell's background job starts with SIGINT ignored.)
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        app()
    except AyoBridgeError as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        sys.exit(1)
    except SystemExit as end:
        if end.code == 130:
            console.print(_STOPPED)
        raise
    except Exception:
        if not interrupted:
            raise
        # pydantic makes an error of its own of an interrupt that comes while it builds a class.
        console.print(_STOPPED)
        sys.exit(130)


if __name__ == "__main__":
    main()
