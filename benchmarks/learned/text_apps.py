"""Small plain programs over ordinary text, whose model writes ordinary text too."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.learned.app import Answer, App, Calls, Group, Inputs, Longest, Program, exactly
from benchmarks.learned.engines import ORDINARY_MODEL, Engines
from benchmarks.learned.langchain_apps import joined
from benchmarks.learned.passages import Passage
from benchmarks.learned.plain_apps import asking, call
from benchmarks.learned.texts import docstrings, duplicates, long_passages, ordinary_question

Ask = Callable[[str], str]
Search = Callable[[str], list[Any]]


def _over(
    passages: Callable[[], Sequence[Passage]], count: int, make: Callable[[Ask, Search], Any]
) -> Callable[[Engines], Program]:
    """A program over one corpus."""

    def build(engines: Engines) -> Program:
        store = engines.langchain_store(passages(), engines.langchain_embeddings())

        def search(question: str) -> list[Any]:
            return list(store.similarity_search(question, k=count))

        return Program(make(asking(engines, ORDINARY_MODEL), search), call)

    return build


def _answer(ask: Ask, search: Search) -> Any:
    def answer(question: str) -> str:
        return ask(f"Context:\n{joined(search(question))}\n\nQuestion: {question}\nAnswer:")

    return answer


def _grades(ask: Ask, search: Search) -> Any:
    def grade(question: str) -> str:
        grades = [
            ask(f"Is this relevant to '{question}'? Say yes or no.\n\n{document.page_content}")
            for document in search(question)
        ]
        return ask(f"Grades: {', '.join(grades)}\nQuestion: {question}")

    return grade


def _metadata(ask: Ask, search: Search) -> Any:
    def combine(question: str) -> str:
        summaries = []
        for document in search(question):
            name, lines = document.metadata["file_name"], document.metadata["page"]
            prompt = f"Sum up {document.id} of {name} ({lines} lines):\n{document.page_content}"
            summaries.append(ask(prompt))
        listed = "\n".join(f"[{number}] {text}" for number, text in enumerate(summaries, 1))
        return ask(f"Combine:\n{listed}\nQuestion: {question}")

    return combine


def _any_lines(ask: Ask, search: Search) -> Any:
    """A list of none, one, or a dozen lines."""

    def answer(question: str) -> str:
        text = ask(f"Split this question, in as many lines as needed: {question}")
        pairs = []
        for line in (line for line in text.split("\n") if line.strip()):
            context = joined(search(line))
            pairs.append((line, ask(f"Context:\n{context}\nQuestion: {line}")))
        known = "\n".join(f"Sub-question: {line}\nAnswer: {reply}" for line, reply in pairs)
        return ask(f"Question: {question}\n{known}\nFinal answer:")

    return answer


def _numbered(ask: Ask, search: Search) -> Any:
    def run(task: str) -> str:
        plan = ask(f"Plan this as a numbered list: {task}").split("\n")
        steps = [line.partition(". ")[2] for line in plan]
        results = [
            ask(f"Do step {number} of {len(steps)}: {step}") for number, step in enumerate(steps, 1)
        ]
        done = "\n".join(f"{step}: {text}" for step, text in zip(steps, results, strict=True))
        return ask(f"Done:\n{done}\nTask: {task}")

    return run


def _objects(ask: Ask, search: Search) -> Any:
    """Strings, numbers and truth values of JSON; the list may be empty."""

    def explain(question: str) -> str:
        items = json.loads(ask(f"Describe this as JSON with a list of items: {question}"))["items"]
        texts = [
            ask(f"{item['name']} has {item['score']} points ({item['open']}): {item['topic']}")
            for item in items
        ]
        return ask("All:\n" + "\n---\n".join(texts) + f"\nQuestion: {question}")

    return explain


def _sums(ask: Ask, search: Search) -> Any:
    def combine(question: str) -> str:
        parts = [ask(f"Sum up:\n{document.page_content}") for document in search(question)]
        return ask("Combine:\n" + "\n".join(parts) + f"\nQuestion: {question}")

    return combine


def _improve(ask: Ask, search: Search) -> Any:
    def answer(question: str) -> str:
        first = ask(f"Context:\n{joined(search(question))}\n\nQuestion: {question}")
        return ask(f"Improve this answer to '{question}':\n{first}")

    return answer


def _represented(ask: Ask, search: Search) -> Any:
    """Lists and quotes as Python shows them."""

    def answer(question: str) -> str:
        texts = [document.page_content for document in search(question)]
        first = ask(f"Documents: {texts}\nQuestion: {question}")
        return ask(f"Documents: {len(texts)}\nAnswer so far: {first!r}\nIs it complete?")

    return answer


def _cut(ask: Ask, search: Search) -> Any:
    """The beginnings of texts, the first lines of answers, other case."""

    def answer(question: str) -> str:
        lines = [
            ask(f"Sum up in one line: {document.page_content[:200]}...").strip().split("\n")[0]
            for document in search(question)
        ]
        return ask("Lines:\n" + "\n".join(lines).lower() + f"\nQuestion: {question.upper()}")

    return answer


def _chat(engines: Engines) -> Program:
    """A history that grows from nothing to a dozen turns."""
    client, model = engines.openai(), ORDINARY_MODEL
    store = engines.langchain_store(docstrings(), engines.langchain_embeddings())
    ask = asking(engines, model)

    def chat(question: str, history: Sequence[tuple[str, str]]) -> str:
        turns = [{"role": role, "content": text} for role, text in history]
        asked = question
        if history:
            told = "\n".join(f"{role}: {text}" for role, text in history)
            asked = ask(f"Chat so far:\n{told}\nMake a question of its own of this: {question}")
        context = joined(store.similarity_search(asked, k=3))
        last = {"role": "user", "content": f"Context:\n{context}\n\n{question}"}
        system = {"role": "system", "content": "You chat about Python."}
        reply = client.chat.completions.create(model=model, messages=[system, *turns, last])
        text: str = reply.choices[0].message.content
        return text

    return Program(chat, _say)


def _say(chat: Any, inputs: Inputs) -> Answer:
    roles = ("user", "assistant")
    history = [(roles[turn % 2], text) for turn, text in enumerate(inputs.history)]
    return Answer(chat(inputs.query, history))


_TURNS = (0, 2, 4, 6, 12, 8, 2, 10)


def _question(number: int) -> Inputs:
    return Inputs(ordinary_question(number))


def _conversation(number: int) -> Inputs:
    texts, turns = docstrings(), []
    for turn in range(_TURNS[number % len(_TURNS)]):
        about = 20 * number + turn
        turns.append(ordinary_question(about) if turn % 2 == 0 else texts[about % len(texts)].text)
    return Inputs(ordinary_question(number), history=tuple(turns))


def _app(
    name: str, build: Callable[[Engines], Program], calls: Calls, longest: Longest | None = None
) -> App:
    return App(name, Group.TEXTS, build, calls, inputs=_question, longest=longest)


_TWO = Longest(llm=2, embedding=1, search=1)

APPS = (
    _app("txt_answer", _over(docstrings, 4, _answer), exactly(1)),
    _app("txt_grades", _over(docstrings, 6, _grades), exactly(7), _TWO),
    _app("txt_metadata", _over(docstrings, 5, _metadata), exactly(6), _TWO),
    _app("txt_any_lines", _over(docstrings, 2, _any_lines), Calls(2, 14)),
    _app("txt_numbered", _over(docstrings, 2, _numbered), Calls(4, 7), Longest(llm=3)),
    _app("txt_objects", _over(docstrings, 2, _objects), Calls(2, 6)),
    _app("txt_duplicates", _over(duplicates, 6, _sums), exactly(7), _TWO),
    _app("txt_long", _over(long_passages, 8, _improve), exactly(2)),
    _app("txt_repr", _over(docstrings, 3, _represented), exactly(2)),
    _app("txt_cut", _over(docstrings, 3, _cut), exactly(4), _TWO),
    App("txt_chat", Group.TEXTS, _chat, Calls(1, 2), inputs=_conversation),
)
"""Programs over ordinary text."""
