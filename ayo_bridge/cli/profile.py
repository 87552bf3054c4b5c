"""`ayo-bridge profile`: measure an engine once, so that plans rest on numbers from the start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from ayo_bridge.profile import ProfileStore

DEVICE = "local"
"""What the runtime looks profiles up under."""


def profile(
    embedding: Annotated[
        str | None, typer.Option(help="Path or hub name of an embedding model.")
    ] = None,
    reranker: Annotated[
        str | None, typer.Option(help="Path or hub name of a cross-encoder.")
    ] = None,
    llm: Annotated[
        str | None, typer.Option(help="Base URL of an LLM server, e.g. http://localhost:8000/v1.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of the model on the LLM server.")] = None,
    api_key: Annotated[
        str, typer.Option(envvar="OPENAI_API_KEY", help="API key of the LLM server.")
    ] = "none",
    limit: Annotated[int, typer.Option(min=1, help="Largest batch to measure.")] = 256,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each size; the median counts.")] = 5,
    steps: Annotated[
        bool,
        typer.Option("--steps", help="Time LLM requests side by side too, for `serve-sim`."),
    ] = False,
    directory: Annotated[
        Path | None, typer.Option(help="Where profiles are kept; the runtime's own by default.")
    ] = None,
) -> None:
    """Measure engines that are otherwise idle, and keep their profiles for every later run."""
    from rich.console import Console

    from ayo_bridge.engines.model_timing import require_model
    from ayo_bridge.profile import ProfileStore
    from ayo_bridge.profile.llm_server import require_base_url

    if not (embedding or reranker or llm):
        raise typer.BadParameter("name an engine: --embedding, --reranker or --llm")
    if llm and not model:
        raise typer.BadParameter("--llm needs --model")
    console = Console()
    store = ProfileStore(directory)
    store.prepare()
    if llm:
        require_base_url(llm)
    for source in filter(None, (embedding, reranker)):
        require_model(source)
    if embedding:
        _profile_model(console, store, "SentenceTransformer", embedding, limit, repeats)
    if reranker:
        _profile_model(console, store, "CrossEncoder", reranker, limit, repeats)
    if llm and model:
        _profile_llm(console, store, llm, model, api_key, repeats, steps=steps)


def _profile_model(
    console: Console, store: ProfileStore, cls: str, source: str, limit: int, repeats: int
) -> None:
    from ayo_bridge.engines.model_timing import LONG_WORDS, SHORT_WORDS, load, measure
    from ayo_bridge.engines.sentence_transformer import EmbeddingModel, profile_name, served_by
    from ayo_bridge.profile import EngineProfile, measure_batches

    with console.status(f"loading {source}") as status:
        model = load(cls, source)
        name = profile_name(model)
        engine = served_by(model)
        kind = name.partition(":")[0]
        rows: list[tuple[Any, ...]] = []
        for label, words, kept in (
            ("short", SHORT_WORDS, name),
            ("long", LONG_WORDS, f"{name}:long"),
        ):
            run = measure(model, engine, words=words)

            def shown(size: int, run: Any = run, label: str = label) -> float:
                status.update(f"{name}: {label} texts, batch of {size}")
                return float(run(size))

            measured = EngineProfile.measured(kind, measure_batches(shown, limit, repeats=repeats))
            store.save(kept, DEVICE, measured)
            best = measured.best_batch or f"> {measured.curve.points[-1][0]}"
            for size, seconds in measured.curve.points:
                mark = "b*" if size == measured.best_batch else ""
                rows.append((label, size, f"{seconds * 1e3:.1f}", f"{size / seconds:.0f}", mark))
            rows.append((label, "", "", "", f"b* = {best}"))
    noun = "texts" if kind == EmbeddingModel.kind.value else "pairs"
    _table(console, name, (noun, "batch", "ms", f"{noun}/s", ""), rows)
    console.print(f"kept in {store.path(name, DEVICE)}")


def _profile_llm(
    console: Console,
    store: ProfileStore,
    url: str,
    model: str,
    api_key: str,
    repeats: int,
    *,
    steps: bool,
) -> None:
    from ayo_bridge.profile.llm_server import llm_profile_name, measure_llm

    name = llm_profile_name(url, model)
    with console.status(f"measuring {name}") as status:
        measured, prefill, decode = measure_llm(
            url,
            model,
            api_key=api_key,
            repeats=repeats,
            on_step=lambda step: status.update(f"{name}: {step}"),
            steps=steps,
        )
    path = store.save(name, DEVICE, measured)
    rows = [
        (step, tokens, f"{seconds * 1e3:.1f}", f"{tokens / seconds:.0f}")
        for step, points in (("prefill", prefill), ("decode", decode))
        for tokens, seconds in points
    ]
    _table(console, name, ("step", "tokens", "ms", "tokens/s"), rows)
    console.print(
        f"prefill {measured.prefill_base * 1e3:.1f} ms + "
        f"{measured.prefill_per_token * 1e6:.1f} µs a token, "
        f"decode {measured.decode_per_token * 1e3:.2f} ms a token"
    )
    if (costs := measured.steps) is not None:
        console.print(
            f"a step that decodes: {costs.decode_base * 1e3:.2f} ms + "
            f"{costs.decode_per_sequence * 1e3:.2f} ms for each further sequence; "
            f"`ayo-bridge serve-sim {name}` emulates it"
        )
    console.print(f"kept in {path}")


def _table(
    console: Console, title: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]
) -> None:
    from rich.table import Table

    table = Table(*columns, title=title, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)
