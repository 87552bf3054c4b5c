"""LlamaIndex applications that are no query engines: chat, ingestion, agents, workflows."""

from __future__ import annotations

from typing import Any

from benchmarks.learned.app import Answer, App, Calls, Group, Inputs, Longest, Program, exactly
from benchmarks.learned.engines import Engines
from benchmarks.learned.llama_index_apps import answer_of
from benchmarks.learned.passages import document, passages, question


def _chat(engines: Engines) -> Program:
    from llama_index.core.chat_engine import CondensePlusContextChatEngine

    index = engines.llama_index(passages("history", 30), engines.llama_embedding())
    engine = CondensePlusContextChatEngine.from_defaults(
        index.as_retriever(similarity_top_k=3), llm=engines.llama_llm()
    )
    return Program(engine, _say)


def _say(engine: Any, inputs: Inputs) -> Answer:
    from llama_index.core.llms import ChatMessage, MessageRole

    roles = (MessageRole.USER, MessageRole.ASSISTANT)
    history = [
        ChatMessage(role=roles[turn % 2], content=text) for turn, text in enumerate(inputs.history)
    ]
    return answer_of(engine.chat(inputs.query, chat_history=history))


def _conversation(number: int) -> Inputs:
    """A question after one to three others with their answers."""
    turns: list[str] = []
    for earlier in range(1 + number % 3):
        about = 100 + 10 * number + earlier
        turns += [question(about), document(about, 2)]
    return Inputs(question(number), history=tuple(turns))


def _ingestion(engines: Engines) -> Program:
    from llama_index.core.extractors import KeywordExtractor, SummaryExtractor, TitleExtractor
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter

    llm = engines.llama_llm()
    pipeline = IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=90, chunk_overlap=0),
            TitleExtractor(llm=llm, nodes=3, show_progress=False),
            KeywordExtractor(llm=llm, show_progress=False),
            SummaryExtractor(llm=llm, show_progress=False),
        ],
        disable_cache=True,
    )
    return Program(pipeline, _ingest)


def _ingest(pipeline: Any, inputs: Inputs) -> Answer:
    from llama_index.core import Document

    nodes = pipeline.run(documents=[Document(text=text) for text in inputs.texts])
    metadata = "\n".join(str(sorted(node.metadata.items())) for node in nodes)
    return Answer(metadata, tuple(node.get_content() for node in nodes))


def _documents(number: int) -> Inputs:
    """Two documents of four to ten sentences."""
    lengths = (4 + number % 5, 6 + number % 5)
    texts = tuple(document(2 * number + half, length) for half, length in enumerate(lengths))
    return Inputs("", texts=texts)


def _agent(engines: Engines) -> Program:
    from llama_index.core.agent.workflow import FunctionAgent

    index = engines.llama_index(passages("history", 30), engines.llama_embedding())
    retriever = index.as_retriever(similarity_top_k=2)

    def search_documents(query: str) -> str:
        """Search the town's documents."""
        return "\n\n".join(found.get_content() for found in retriever.retrieve(query))

    def convert_money(amount: int) -> str:
        """Convert pounds into guilders."""
        return f"{amount * 11} guilders"

    agent = FunctionAgent(
        tools=[search_documents, convert_money],
        llm=engines.llama_llm(is_function_calling_model=True),
        system_prompt="You answer questions about the history of a town.",
    )
    return Program(agent, _run_agent)


async def _run_agent(agent: Any, inputs: Inputs) -> Answer:
    return Answer(str(await agent.run(user_msg=inputs.query)))


def _workflow(engines: Engines) -> Program:
    from benchmarks.learned.two_views import TwoViews

    return Program(TwoViews(engines.llama_llm(), timeout=60), _run_workflow)


async def _run_workflow(workflow: Any, inputs: Inputs) -> Answer:
    return Answer(await workflow.run(question=inputs.query))


APPS = (
    App(
        "li_condense_chat",
        Group.LLAMA_INDEX,
        _chat,
        exactly(2),
        inputs=_conversation,
        longest=Longest(llm=2, embedding=1, search=1),
    ),
    App(
        "li_ingest",
        Group.LLAMA_INDEX,
        _ingestion,
        Calls(11, 17),
        inputs=_documents,
        one_thread=True,
    ),
    App(
        "li_agent",
        Group.LLAMA_INDEX,
        _agent,
        exactly(3),
        longest=Longest(llm=3, embedding=1, search=1),
        on_loop=True,
    ),
    App(
        "li_workflow",
        Group.LLAMA_INDEX,
        _workflow,
        exactly(3),
        longest=Longest(llm=2),
        on_loop=True,
    ),
)
"""Chat, ingestion, an agent and a workflow of LlamaIndex."""
