"""Contextual retrieval of ten documents on a real vLLM: ``python -m benchmarks.ingestion_vllm``.

Documents are split, vLLM says where each chunk stands in its document, MiniLM embeds, Postgres
stores. vLLM serves an untrained Llama in float32 on a core of its own: what it says is noise, and
as long in both arms, decoded greedily, and compared. Each arm begins with an empty prefix cache and
an accelerated object of its own, so that no run has learned from another.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("AYO_TEMPLATES", "0")

import typer

TOKENS = 24
"""Tokens of each context."""
SENTENCES = 24
"""Of a document."""
DIMENSIONS = 384


def documents(count: int) -> list[Any]:
    """Documents of some 600 tokens, no two alike."""
    from llama_index.core import Document

    return [
        Document(
            id_=str(number),
            text=" ".join(
                f"In year {part} of ledger {number} the keeper of lantern {number * part} wrote "
                f"to the harbour about signal {part + number}, and nobody answered him."
                for part in range(SENTENCES)
            ),
        )
        for number in range(count)
    ]


def pipeline(
    given: list[Any], url: str, model: str, never: dict[str, int], postgres: Any, table: str
) -> Any:
    """Contextual retrieval as LlamaIndex's guide has it."""
    from llama_index.core.extractors import DocumentContextExtractor
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.storage.docstore import SimpleDocumentStore
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.llms.openai_like import OpenAILike
    from llama_index.vector_stores.postgres import PGVectorStore

    from benchmarks.slow_engines import minilm

    docstore = SimpleDocumentStore()
    docstore.add_documents(given)
    llm = OpenAILike(
        model=model,
        api_base=url,
        api_key="none",
        is_chat_model=True,
        temperature=0.0,
        timeout=600.0,
        context_window=4096,
        additional_kwargs={"extra_body": {"ignore_eos": True}, "logit_bias": never},
    )
    context = DocumentContextExtractor(
        docstore=docstore,
        llm=llm,
        max_context_length=100_000,
        max_output_tokens=TOKENS,
        show_progress=False,
    )
    at = postgres.dsn
    store = PGVectorStore.from_params(
        host=at.host,
        port=str(at.port),
        user=at.user,
        password=at.password,
        database=at.database,
        table_name=table,
        embed_dim=DIMENSIONS,
    )
    embedding = HuggingFaceEmbedding(model_name=minilm(), device="cpu")
    embedding.get_text_embedding("The first call is slower.")
    splitter = SentenceSplitter(
        chunk_size=96, chunk_overlap=0, id_func=lambda number, document: f"{document.id_}-{number}"
    )
    return IngestionPipeline(
        transformations=[splitter, context, embedding], vector_store=store, disable_cache=True
    )


def _unstorable(folder: Path) -> dict[str, int]:
    """The tokens of a NUL, which noise has and Postgres refuses: they are never chosen."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    return {str(n): -100 for n in range(len(tokenizer)) if "\0" in tokenizer.decode([n])}


def main(
    count: Annotated[int, typer.Option("--documents", help="How many.")] = 10,
    rounds: Annotated[int, typer.Option(help="Runs of each arm.")] = 1,
) -> None:
    """Measure both arms; 1 if what they give differs."""
    from ayo_bridge import accelerate
    from ayo_bridge.serving.postgres import EmbeddedPostgres
    from benchmarks.cores import share_cores
    from benchmarks.learned.engines import cache_tokenizer
    from benchmarks.measure import fresh_runtime
    from benchmarks.untrained import untrained_llama, untrained_server
    from examples.demo.engines import ServerGauge

    cache_tokenizer()
    core = share_cores()
    seconds: dict[bool, list[float]] = {False: [], True: []}
    with ExitStack() as stack:
        server = stack.enter_context(untrained_server(cores=[] if core is None else [core]))
        postgres = stack.enter_context(EmbeddedPostgres())
        gauge, given, made = ServerGauge(server), documents(count), []
        url, model, never = server.url, server.model_name, _unstorable(untrained_llama())
        _warm_up(pipeline(documents(1), url, model, never, postgres, "warm_up"))
        for number in range(2 * rounds):
            fast = number % 2 == 1
            arm = pipeline(given, url, model, never, postgres, f"contexts_{number}")
            runner = accelerate(arm, runtime=fresh_runtime()) if fast else arm
            gc.collect()
            gauge.settled_requests()
            gauge.empty_prefix_cache()
            began = time.perf_counter()
            nodes = runner.run(documents=given)
            seconds[fast].append(time.perf_counter() - began)
            made.append([(node.id_, node.text, node.metadata) for node in nodes])
            print(f"{'accelerated' if fast else 'original'}: {seconds[fast][-1]:.1f} s", flush=True)
    same = all(each == made[0] for each in made)
    plain, quick = statistics.median(seconds[False]), statistics.median(seconds[True])
    print(
        f"contextual retrieval, {count} documents, {len(made[0])} chunks: {plain:.1f} -> "
        f"{quick:.1f} s, {plain / quick:.2f}x; nodes {'are the same' if same else 'DIFFER'}"
    )
    sys.exit(int(not same))


def _warm_up(arm: Any) -> None:
    """vLLM compiles, and the tokenizer is read, before anything is timed."""
    arm.run(documents=documents(1))


if __name__ == "__main__":
    typer.run(main)
