"""`ayo-bridge serve-sim`: an LLM server with known costs, on any machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ayo_bridge.serving.emulated.settings import Options, Settings


_Answers = Annotated[
    Path | None,
    typer.Option(help="JSON list of {when, text} or {when, tokens}: answers to prompts."),
]
_Policy = Annotated[
    str, typer.Option(help="priority, or fcfs: priorities of requests are ignored.")
]
_PrefixCaching = Annotated[
    bool, typer.Option(help="Find the blocks of prompts that were sent before.")
]
_Embedding = Annotated[
    str, typer.Option(help="Serve an embedding model, too: bge-large-en-v1.5@1x3090.")
]
_Reranker = Annotated[str, typer.Option(help="Serve a reranker, too: bge-reranker-large@1x3090.")]


def serve_sim(
    profile: Annotated[
        str | None,
        typer.Argument(help="A name that --list shows, or a file that `profile` has written."),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Show the profiles and where they come from.")
    ] = False,
    speed: Annotated[float, typer.Option(help="How many times as fast as the LLM.")] = 1.0,
    port: Annotated[int | None, typer.Option(help="TCP port; a free one by default.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    served_name: Annotated[
        str | None, typer.Option(help="Name to request the model by; the profile's by default.")
    ] = None,
    output_tokens: Annotated[
        str,
        typer.Option(metavar="N|LEAST-MOST", help="Tokens of an answer, where max_tokens is more."),
    ] = "128",
    answers: _Answers = None,
    kv_blocks: Annotated[
        int | None, typer.Option(help="Blocks of the KV cache; the profile's by default.")
    ] = None,
    block_size: Annotated[
        int, typer.Option(help="Tokens of a block.", show_default="as measured, or 16")
    ] = 0,
    max_model_len: Annotated[
        int | None, typer.Option(help="Longest prompt with its answer; what the cache holds.")
    ] = None,
    max_num_seqs: Annotated[int, typer.Option(help="Sequences that run at once.")] = 256,
    max_num_batched_tokens: Annotated[int, typer.Option(help="Tokens of a step.")] = 2048,
    scheduling_policy: _Policy = "priority",
    enable_prefix_caching: _PrefixCaching = True,
    embedding: _Embedding = "",
    reranker: _Reranker = "",
) -> None:
    """Serve an emulated LLM until Ctrl-C: the timing of PROFILE, and noise for text."""
    from ayo_bridge.serving.emulated.profiles import settings_for
    from ayo_bridge.serving.emulated.settings import read_rules

    if listing:
        _list()
        return
    if profile is None:
        raise typer.BadParameter("name a profile; --list shows them", param_hint="PROFILE")
    options: Options = {
        "speed": speed,
        "model": served_name or "",
        "output_tokens": _range(output_tokens),
        "rules": read_rules(answers) if answers is not None else (),
        "kv_blocks": kv_blocks,
        "block_size": block_size,
        "max_model_len": max_model_len,
        "max_num_seqs": max_num_seqs,
        "max_num_batched_tokens": max_num_batched_tokens,
        "scheduling_policy": scheduling_policy,
        "enable_prefix_caching": enable_prefix_caching,
        "embedding": embedding,
        "reranker": reranker,
    }
    _serve(settings_for(profile, **options), host, port)


def _serve(settings: Settings, host: str, port: int | None) -> None:
    from rich.console import Console

    from ayo_bridge.engines import launched
    from ayo_bridge.serving.emulated.serve import listening, serve
    from ayo_bridge.serving.ports import free_port, require_free

    listener = listening(host, require_free(port if port is not None else free_port(), host))
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listener.getsockname()[1]}/v1"
    costs = settings.costs
    console = Console(stderr=True)

    def ready() -> None:
        if settings.scheduling_policy == "priority":
            launched.note(url, os.getpid())
        typer.echo(url)
        console.print(
            f"EMULATED {settings.name} at {settings.speed:g}x: model {settings.served_model!r}, "
            f"{settings.kv_tokens} KV tokens, {costs.decode_base * 1e3:.1f} ms a decode step; "
            "label what you measure with it as emulated; Ctrl-C ends it",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    try:
        serve(settings, listener, ready)
        console.print("stopping")
    finally:
        launched.forget(url)


def _range(text: str) -> int | tuple[int, int]:
    least, dash, most = text.partition("-")
    try:
        return (int(least), int(most)) if dash else int(least)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a number nor a range such as 64-192", param_hint="--output-tokens"
        ) from None


def _list() -> None:
    from ayo_bridge.serving.emulated.profiles import listed

    for known in listed():
        costs = known.costs
        prefill, decode = costs.prefill([(1000, 0)]), costs.decode_base
        typer.echo(
            f"{known.name}: prefill of 1000 tokens {prefill * 1e3:.0f} ms, "
            f"decode step {decode * 1e3:.1f} ms, {costs.kv_tokens} KV tokens\n    {known.source}"
        )
