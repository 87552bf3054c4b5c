"""Three ordinary LlamaIndex query engines. Nothing in this file knows of ayo-bridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.llms.openai_like import OpenAILike

from examples.demo.settings import Settings

_PROMPT_TOKENS = 80
"""What the templates and a question need."""
QUESTIONS = (
    "How do I run several coroutines at once and wait until all of them are done?",
    "How can a program read a CSV file whose columns have names?",
    "What is the right way to start another program and collect its output?",
    "How are dates with time zones parsed and printed?",
    "How do I keep a priority queue in a plain list?",
    "How does one write a command line with options and subcommands?",
    "How can log records be sent to several places with different levels?",
    "How do I make a temporary directory that is removed afterwards?",
    "Which classes help to parse e-mail messages with attachments?",
    "How can results of a function be cached, and the cache be emptied?",
    "How do threads hand work to each other safely?",
    "How is a ZIP archive read without unpacking it to disk?",
    "How can objects be compared, copied deeply and pickled?",
    "How do I open a TLS connection and check the certificate?",
    "How do I measure how long a piece of code takes?",
    "How can text be wrapped and compared line by line?",
)
_TOPICS = (
    "asyncio tasks|csv readers|subprocess pipes|datetime zones|heap queues|argparse options|"
    "logging handlers|temporary files|email messages|function caches|thread locks|zip archives|"
    "object copies|tls sockets|code timing|text wrapping|json encoding|regular expressions|"
    "http servers|sqlite cursors|enum members|context managers|decimal numbers|path names"
)
_VERBS = "how to use|examples of|errors in|options of|the design of|testing"


@dataclass(frozen=True, slots=True)
class Workflow:
    """One way to answer questions."""

    name: str
    title: str
    what: str
    engine: Any


def workflows(
    settings: Settings,
    index: VectorStoreIndex,
    reranker: Any,
    *,
    model: str,
    api_base: str,
) -> list[Workflow]:
    """The three engines over one index and one LLM server."""
    server: dict[str, Any] = {"model": model, "api_base": api_base, "api_key": "none"}
    server |= {"temperature": 0.0, "max_tokens": settings.answer_tokens, "timeout": 600.0}
    # Every answer has the same number of tokens, so the arms decode equally much.
    server["additional_kwargs"] = {"extra_body": {"ignore_eos": True}}
    # One chunk to a prompt, two are too many; yet all summaries fit into the last one.
    narrow = settings.chunk_tokens + settings.answer_tokens + _PROMPT_TOKENS
    summariser = OpenAILike(context_window=narrow, **server)
    writer = OpenAILike(context_window=2048, **server)
    chat = OpenAILike(context_window=2048, is_chat_model=True, **server)
    asker = writer if not settings.untrained else _bounded_asker(server)

    tree = index.as_query_engine(
        llm=summariser, response_mode="tree_summarize", similarity_top_k=8, use_async=False
    )
    fusion = RetrieverQueryEngine.from_args(
        QueryFusionRetriever(
            [index.as_retriever(similarity_top_k=4)],
            llm=asker,
            mode=FUSION_MODES.RECIPROCAL_RANK,
            num_queries=4,
            similarity_top_k=8,
            use_async=False,
        ),
        llm=writer,
        response_mode=ResponseMode.COMPACT,
        node_postprocessors=[reranker],
    )
    refine = index.as_query_engine(llm=chat, response_mode="refine", similarity_top_k=4)
    return [
        Workflow("tree", "Tree summarize", "tree_summarize over 8 chunks", tree),
        Workflow("fusion", "fusion of queries", "fusion of 4 queries, rerank, compact", fusion),
        Workflow("refine", "chat refine", "chat refine over 4 chunks", refine),
    ]


def _bounded_asker(server: dict[str, Any]) -> OpenAILike:
    """Has the untrained model write three lines that are worth a search: vLLM's structured output
    leaves it the choice between phrases."""
    line = f"({_VERBS}) ({_TOPICS})"
    body = {"structured_outputs": {"regex": rf"{line}\n{line}\n{line}"}}
    wanted = {"max_tokens": 64, "additional_kwargs": {"extra_body": body}}
    return OpenAILike(context_window=2048, **{**server, **wanted})
