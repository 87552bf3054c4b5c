"""The demo from its first step to its last; every engine ends with it, however it ends."""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from examples.demo import corpus, engines
from examples.demo.settings import Settings, cache_directory, share_cores

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres
    from ayo_bridge.serving.vllm_server import VLLMServer
    from examples.demo.comparison import Outcome
    from examples.demo.ray_actor import PlacedEmbedding


def run(settings: Settings, console: Console) -> int:
    """Run the demo; 1 if any answer was not identical."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings.results.mkdir(parents=True, exist_ok=True)
    server_cores, own_cores = share_cores()
    if settings.untrained:
        console.print(
            "The built-in language model is untrained: its answers are noise. It only times the "
            "work. --model serves a real one."
        )
    if server_cores:
        console.print(f"vLLM runs on cores {server_cores}, all else on {own_cores}, in both arms.")
    with ExitStack() as stack:
        server = _start_llm(stack, settings, server_cores, console)
        with console.status("starting Postgres"):
            database = engines.start_database(stack)
        console.print(f"Postgres with pgvector on port {database.dsn.port}")
        index = _index(settings, server.model, database, console)
        placed = _placed(stack, settings, console)
        outcomes = _compare(settings, server, index, placed, console)
        if placed is not None:
            batches, calls = placed.counted()
            console.print(f"The Ray actor embedded for {calls} calls in {batches} batches.")
        _report(settings, outcomes, server.model_name, console)
    return 0 if all(outcome.identical for outcome in outcomes) else 1


def _start_llm(
    stack: ExitStack, settings: Settings, cores: list[int], console: Console
) -> VLLMServer:
    with console.status("starting vLLM") as status:

        def show(seconds: float, line: str) -> None:
            status.update(f"starting vLLM: {seconds:.0f} s")

        server = engines.start_llm(stack, settings, cores, show)
    console.print(f"vLLM serves {server.model_name} at {server.url}")
    return server


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console)


def _documentation(console: Console) -> list[corpus.Entry]:
    path = corpus.cache_file(cache_directory() / "demo")
    kept = corpus.load(path)
    if kept is not None:
        return kept
    found: list[corpus.Entry] = []
    with _bar(console) as bar:
        for module, source in bar.track(corpus.sources(), description="reading the library"):
            found.extend(corpus.entries(module, source))
    corpus.save(path, found)
    return found


def _index(settings: Settings, model: str, database: EmbeddedPostgres, console: Console) -> Any:
    """A LlamaIndex index over the documentation, ingested now unless the last run has done it."""
    from llama_index.core import Settings as LlamaIndexSettings
    from llama_index.core import VectorStoreIndex
    from transformers import AutoTokenizer

    from examples.demo import ingest

    documentation = _documentation(console)
    # Prompts are packed by the tokens of the model that will read them.
    tokenizer = AutoTokenizer.from_pretrained(model)
    LlamaIndexSettings.tokenizer = lambda text: tokenizer.encode(text, add_special_tokens=False)
    embedding = engines.embedding_model(settings)
    dimensions = len(embedding.get_text_embedding("dimensions"))
    table = ingest.table_name(settings, model, documentation)
    store = ingest.open_store(database, table, dimensions)
    index = VectorStoreIndex.from_vector_store(store, embed_model=embedding)
    modules = len({entry.module for entry in documentation})
    what = f"{len(documentation)} documented things in {modules} modules of the standard library"
    with console.status("cutting text"):
        kept = ingest.stored(database, table)
        nodes = [] if kept else ingest.cut(settings, documentation)
    if kept:
        console.print(f"{what}; {kept} chunks are in the database already")
        return index
    ingest.forget(database, table)
    console.print(f"{what}; {len(nodes)} chunks")
    with _bar(console) as bar:
        task = bar.add_task("embedding and storing", total=len(nodes))
        ingest.ingest(index, nodes, lambda count: bar.advance(task, count))
    ingest.finish(database, table)
    return index


def _placed(stack: ExitStack, settings: Settings, console: Console) -> PlacedEmbedding | None:
    if not settings.ray:
        return None
    from examples.demo.ray_actor import PlacedEmbedding

    with console.status("starting Ray"):
        placed = PlacedEmbedding(stack, settings)
    console.print("Ray runs on this machine: accelerated engines embed in an actor of it.")
    return placed


def _compare(
    settings: Settings,
    server: VLLMServer,
    index: Any,
    placed: PlacedEmbedding | None,
    console: Console,
) -> list[Outcome]:
    from examples.demo.comparison import Comparison
    from examples.demo.profiles import measured_runtime
    from examples.demo.workflows import workflows

    reranker = engines.reranker(settings, top_n=3)
    # The store connects on its first search, and can be followed from then on.
    index.as_retriever(similarity_top_k=1).retrieve("connect")
    flows = workflows(settings, index, reranker, model=server.model_name, api_base=server.url)
    with console.status("measuring engines") as status:
        models = [index._embed_model._model, reranker._model]
        runtime = measured_runtime(
            settings,
            server,
            models,
            lambda name: status.update(f"measuring {name}"),
            engines=[] if placed is None else [placed.declared],
        )
    comparison = Comparison(settings, engines.ServerGauge(server), runtime)
    outcomes = []
    try:
        if placed is not None:
            with console.status("waiting for the model in the Ray actor"):
                placed.wait(runtime, models[0])
        with _bar(console) as bar:
            for flow in flows:
                task = bar.add_task(flow.what, total=comparison.calls())
                outcomes.append(comparison.run(flow, partial(bar.advance, task)))
    finally:
        runtime.close()
    return outcomes


def _report(settings: Settings, outcomes: list[Outcome], model: str, console: Console) -> None:
    from ayo_bridge import explain, timeline
    from examples.demo.report import figures, seen, table

    console.print(table(outcomes))
    console.print(seen(outcomes), style="bold")
    console.print(
        f"Medians of {settings.rounds} rounds in turns, {settings.warmups} before them not "
        "counted; the ratio is that within a round. The prefix cache is emptied before every call. "
        "LLM calls: as it is / accelerated, as the server counts them, without prefix warms."
    )
    for outcome in outcomes:
        for difference in outcome.differences:
            console.print(f"{outcome.workflow.name} differs in {difference}", style="red")
        page = settings.results / f"{outcome.workflow.name}-trace.html"
        console.print(f"{outcome.workflow.name}: {timeline(outcome.fast, page)}", soft_wrap=True)
    if settings.verbose:
        console.print(explain(outcomes[0].fast).full(), markup=False)
    if settings.json_file is not None:
        settings.json_file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(figures(settings, outcomes, model), indent=1)
        settings.json_file.write_text(text + "\n")
        console.print(f"figures: {settings.json_file}", soft_wrap=True)
