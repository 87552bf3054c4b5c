"""Settings of LLMs and prompts that change what is sent or what may be done ahead."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.types import BaseOutputParser

from tests.differential import llama_index_parts as parts
from tests.differential.harness import Case, Env

QUERIES = ("What grows {in} the north?", "Wer führt das „Buch“? 🌲\n\n\tsecond line")
"""Braces, other alphabets, white space: all of it has to arrive as it is."""


class Shouting(BaseOutputParser):
    """An output parser that counts, so that nobody may call it once more."""

    calls = 0

    def parse(self, output: str) -> Any:
        return output.upper()

    def format(self, query: str) -> str:
        type(self).calls += 1
        return f"{query}\nNumber {type(self).calls}. Answer loudly."


def _llm(name: str, **options: Any) -> Case:
    return _built(f"llm-{name}", lambda env: parts.llm(env, **options))


_AWAITED = ("llm-system-prompt", "llm-query-wrapper", "llm-headers", "prompt-chat")
"""Awaited, a tree asks side by side itself, and what it asks is compared only: of some."""


def _built(name: str, model: Any, **options: Any) -> Case:
    return Case(
        name,
        lambda env: parts.engine(
            env, ResponseMode.TREE_SUMMARIZE, chunk=64, top_k=3, model=model(env), **options
        ),
        queries=QUERIES,
        entries=("query", "aquery", "stream") if name in _AWAITED else ("query", "stream"),
    )


def _parsed(env: Env) -> Any:
    Shouting.calls = 0
    prompt = PromptTemplate("Notes: {context_str}\nQuestion: {query_str}", output_parser=Shouting())
    return parts.engine(
        env, ResponseMode.TREE_SUMMARIZE, chunk=64, top_k=3, summary_template=prompt
    )


def _loud(env: Env) -> Any:
    Shouting.calls = 0
    return parts.engine(
        env,
        ResponseMode.TREE_SUMMARIZE,
        chunk=64,
        top_k=3,
        model=parts.llm(env, output_parser=Shouting()),
    )


_CHAT = ChatPromptTemplate(
    [
        ChatMessage("You are a keeper.", role=MessageRole.SYSTEM),
        ChatMessage("Notes:\n{context_str}\nAsked: {query_str}", role=MessageRole.USER),
    ]
)
_PLAIN = PromptTemplate("{query_str}\nNotes {context_str} and again {query_str}")

ROWS = [
    _llm("system-prompt", system_prompt="Be brief."),
    _llm("system-prompt-completion", chat=False, system_prompt="Be brief."),
    _llm("query-wrapper", chat=False, query_wrapper_prompt=PromptTemplate("<<{query_str}>>")),
    _llm("kwargs", additional_kwargs={"top_p": 0.5, "seed": 7, "stop": ["x"]}),
    _llm(
        "extra-body",
        additional_kwargs={"extra_body": {"top_k": 3}, "extra_headers": {"X-Tenant": "a"}},
    ),
    _llm("headers", default_headers={"X-Team": "keepers"}),
    _llm("no-max-tokens", max_tokens=None),
    _llm("temperature", temperature=1.0),
    _llm("logprobs", logprobs=True, top_logprobs=1),
    _llm("other-model-window", context_window=2000),
    _llm("messages-to-prompt", chat=False, completion_to_prompt=lambda text: f"[[{text}]]"),
    _built("prompt-chat", parts.llm, summary_template=_CHAT),
    _built("prompt-plain", lambda env: parts.llm(env, chat=False), summary_template=_PLAIN),
    _built(
        "prompt-mappings",
        parts.llm,
        summary_template=PromptTemplate(
            "{context_str} {query_str}",
            function_mappings={"context_str": lambda **kwargs: kwargs["context_str"].upper()},
        ),
    ),
    _built(
        "prompt-variable-names",
        parts.llm,
        summary_template=PromptTemplate(
            "{notes} {asked}", template_var_mappings={"context_str": "notes", "query_str": "asked"}
        ),
    ),
    Case("prompt-output-parser", _parsed, entries=("query", "aquery")),
    Case("llm-output-parser", _loud, entries=("query", "aquery")),
    Case(
        "refine-prompts",
        lambda env: parts.engine(
            env,
            ResponseMode.REFINE,
            top_k=3,
            text_qa_template=_CHAT,
            refine_template=PromptTemplate("{existing_answer} {context_msg} {query_str}"),
        ),
        entries=("query", "aquery", "stream", "astream"),
    ),
    Case(
        "priority",
        lambda env: parts.engine(env, ResponseMode.TREE_SUMMARIZE, chunk=64, top_k=3),
        runtime={"priority": True},
    ),
    Case(
        "no-run-ahead",
        lambda env: parts.engine(env, ResponseMode.TREE_SUMMARIZE, chunk=64, top_k=3),
        runtime={"run_ahead": False},
    ),
    Case(
        "no-passes",
        lambda env: parts.engine(env, ResponseMode.REFINE, top_k=3),
        runtime={"passes": (), "prefix_warming": False},
    ),
    Case(
        "many-queries",
        lambda env: parts.engine(env, ResponseMode.TREE_SUMMARIZE, chunk=64, top_k=3),
        queries=tuple(f"question {number % 3}" for number in range(6)),
        entries=("query", "aquery"),
    ),
]
