"""`ayo-bridge serve-llm`: a vLLM server with everything on that the optimisations use."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ayo_bridge.serving.vllm_arguments import Device

LINE_SECONDS: Final = 10.0
"""Where there is no terminal, a line is written so often while the server starts."""


def serve_llm(
    model: Annotated[str, typer.Argument(help="A model directory, or a name on the model hub.")],
    port: Annotated[int | None, typer.Option(help="TCP port; a free one by default.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    served_name: Annotated[str | None, typer.Option(help="Name to request the model by.")] = None,
    device: Annotated[
        str, typer.Option(help="cpu, gpu, or auto: what the installed vLLM was built for.")
    ] = "auto",
    dtype: Annotated[str, typer.Option(help="Number format of the weights.")] = "auto",
    kv_cache_gib: Annotated[float | None, typer.Option(help="KV cache size in GiB.")] = None,
    pin_core: Annotated[
        list[int] | None, typer.Option(help="Confine it to this core; may be repeated.")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="File for the server's own output.")] = None,
    start_timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Give up a start after so long. By default never while vLLM runs: it may be "
            "downloading.",
        ),
    ] = None,
    vllm_args: Annotated[
        list[str] | None, typer.Argument(help="Further arguments for `vllm serve`, after --.")
    ] = None,
) -> None:
    """Serve MODEL with vLLM until Ctrl-C: prefix caching, priorities, cached-token counts."""
    from rich.console import Console

    from ayo_bridge.serving.vllm_server import VLLMServer

    console = Console(stderr=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Both end it in order.
    with starting(console, f"starting vLLM on {model}") as show:
        server = VLLMServer(
            model,
            port=port,
            host=host,
            served_name=served_name,
            device=cast("Device", device),
            dtype=dtype,
            kv_cache_gib=kv_cache_gib,
            cores=pin_core or (),
            log=log,
            extra_args=vllm_args or (),
            start_timeout=start_timeout,
            on_progress=show,
        )
        server.start()
    try:
        typer.echo(server.url)
        console.print(
            f"model {server.model_name!r}, log {server.log}; Ctrl-C ends it", markup=False
        )
        server.wait()
    except KeyboardInterrupt:
        console.print("stopping")
    finally:
        server.close()


@contextmanager
def starting(console: Console, doing: str) -> Iterator[Callable[[float, str], None]]:
    """Show how a start goes, by what is called with the seconds so far and the log's last words.

    A terminal shows one line that moves, anything else a line every :data:`LINE_SECONDS`.
    """
    from rich.markup import escape

    if not console.is_terminal:
        yield _Lines(console, doing)
        return
    with console.status(escape(doing)) as status:

        def show(seconds: float, words: str) -> None:
            status.update(f"{escape(doing)}: {seconds:.0f} s [dim]{escape(words[:100])}[/dim]")

        yield show


class _Lines:
    def __init__(self, console: Console, doing: str) -> None:
        self._console = console
        self._doing = doing
        self._next = LINE_SECONDS

    def __call__(self, seconds: float, words: str) -> None:
        if seconds >= self._next:
            self._next = seconds - seconds % LINE_SECONDS + LINE_SECONDS
            line = f"{self._doing}: {seconds:.0f} s, {words[:200]}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
