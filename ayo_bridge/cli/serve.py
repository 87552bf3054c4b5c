"""`ayo-bridge serve-llm`: a vLLM server with everything on that the optimisations use."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer


def serve_llm(
    model: Annotated[str, typer.Argument(help="A model directory, or a name on the model hub.")],
    port: Annotated[int | None, typer.Option(help="TCP port; a free one by default.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    served_name: Annotated[str | None, typer.Option(help="Name to request the model by.")] = None,
    dtype: Annotated[str, typer.Option(help="Number format of the weights.")] = "auto",
    kv_cache_gib: Annotated[float | None, typer.Option(help="KV cache size in GiB.")] = None,
    pin_core: Annotated[
        list[int] | None, typer.Option(help="Confine it to this core; may be repeated.")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="File for the server's own output.")] = None,
    vllm_args: Annotated[
        list[str] | None, typer.Argument(help="Further arguments for `vllm serve`, after --.")
    ] = None,
) -> None:
    """Serve MODEL with vLLM until Ctrl-C: prefix caching, priorities, cached-token counts."""
    from rich.console import Console
    from rich.markup import escape

    from ayo_bridge.serving.vllm_server import VLLMServer

    console = Console(stderr=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Both end it in order.
    with console.status(f"starting vLLM on {escape(model)}") as status:

        def show(seconds: float, line: str) -> None:
            note = escape(line[:100])
            status.update(f"starting vLLM on {escape(model)}: {seconds:.0f} s [dim]{note}[/dim]")

        server = VLLMServer(
            model,
            port=port,
            host=host,
            served_name=served_name,
            dtype=dtype,
            kv_cache_gib=kv_cache_gib,
            cores=pin_core or (),
            log=log,
            extra_args=vllm_args or (),
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
