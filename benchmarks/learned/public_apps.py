"""Programs in the manner of well-known public examples: research, reports, reflection, debate.

Most of them are graphs of LangGraph in their originals; here, but for one, their nodes are
functions, called in the order of the graph's edges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.learned import graph_apps
from benchmarks.learned.app import App, Calls, Group, Longest, Program, exactly
from benchmarks.learned.engines import Engines
from benchmarks.learned.langchain_apps import joined, stores
from benchmarks.learned.plain_apps import asking, call

Ask = Callable[[str], str]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _steps(text: str) -> list[str]:
    """The items of a numbered list, without their numbers."""
    return [line.partition(". ")[2].strip() for line in _lines(text)]


def _searching(engines: Engines, count: int) -> Callable[[str], list[Any]]:
    store = stores(engines)[0]
    return lambda question: list(store.similarity_search(question, k=count))


def _report(engines: Engines) -> Program:
    """Perspectives ask questions, answers become notes, sections, and an article (STORM)."""
    ask, search = asking(engines), _searching(engines, 2)

    def interview(topic: str, perspective: str) -> str:
        questions = ask(
            f"You write on {topic} from this perspective: {perspective}\n"
            "Write the questions you would ask an expert, one on each line."
        )
        notes = []
        for question in _lines(questions)[:2]:
            context = joined(search(question))
            answer = ask(f"Information:\n{context}\n\nAnswer as an expert: {question}")
            notes.append(f"Q: {question}\nA: {answer}")
        return "\n\n".join(notes)

    def write(topic: str) -> str:
        perspectives = _lines(ask(f"Name perspectives on {topic}, one on each line."))[:2]
        interviews = [interview(topic, perspective) for perspective in perspectives]
        notes = "\n\n---\n\n".join(interviews)
        outline = ask(f"Outline an article on {topic} as a numbered list.\n\nNotes:\n{notes}")
        sections = [
            ask(f"Write the section '{title}' of the article on {topic}.\n\nNotes:\n{notes}")
            for title in _steps(outline)
        ]
        body = "\n\n".join(sections)
        return ask(f"Write a lead for this article on {topic}:\n\n{body}") + "\n\n" + body

    return Program(write, call)


def _corrective(engines: Engines) -> Program:
    """Grades every passage, and falls back to another source for the rewritten question."""
    ask, (store, notes) = asking(engines), stores(engines)

    def answer(question: str) -> str:
        found = store.similarity_search(question, k=4)
        good = []
        for document in found:
            verdict = ask(
                f"Retrieved document:\n\n{document.page_content}\n\nUser question: {question}\n\n"
                "Is the document relevant to the question? Say yes or no."
            )
            if verdict.lower() == "yes":
                good.append(document)
        if len(good) < len(found):
            better = ask(f"Rewrite this question for a web search: {question}")
            good += notes.similarity_search(better, k=3)
        return ask(f"Question: {question}\nContext: {joined(good)}\nAnswer:")

    return Program(answer, call)


def _self_reflective(engines: Engines) -> Program:
    """Checks the answer against its sources and against the question, up to three times."""
    ask, search = asking(engines), _searching(engines, 3)

    def answer(question: str) -> str:
        asked, text = question, ""
        for _ in range(3):
            facts = joined(search(asked))
            text = ask(f"Context:\n{facts}\n\nQuestion: {question}\nAnswer:")
            grounded = ask(
                f"Set of facts:\n\n{facts}\n\nAnswer: {text}\n\n"
                "Is the answer grounded in the facts? Say yes or no."
            )
            useful = ask(
                f"Question: {question}\n\nAnswer: {text}\n\n"
                "Does the answer resolve the question? Say yes or no."
            )
            if grounded == "yes" and useful == "yes":
                break
            asked = ask(f"Look at the intent of this question and improve it: {question}")
        return text

    return Program(answer, call)


def _researcher(engines: Engines) -> Program:
    """Queries, findings, reflection on what is missing, and a final report."""
    ask, search = asking(engines), _searching(engines, 3)

    def research(topic: str) -> str:
        queries = _lines(ask(f"Write web search queries on {topic}, one on each line."))
        summaries: list[str] = []
        for turn in range(2):
            for query in queries:
                sources = "\n\n".join(
                    f"Source: {document.metadata['file_name']}\n{document.page_content}"
                    for document in search(query)
                )
                summaries.append(ask(f"Summarise these results for '{query}':\n\n{sources}"))
            if turn == 0:
                known = "\n\n".join(summaries)
                queries = _lines(
                    ask(
                        f"Summaries on {topic}:\n\n{known}\n\n"
                        "Write follow-up queries for what is missing, one on each line."
                    )
                )[:2]
        found = "\n\n".join(f"[{number}] {text}" for number, text in enumerate(summaries, 1))
        return ask(f"Write a report on {topic} with citations.\n\n{found}")

    return Program(research, call)


def _plan_and_execute(engines: Engines) -> Program:
    """A plan, its steps with what was done before them, and an answer."""
    ask, search = asking(engines), _searching(engines, 2)

    def run(objective: str) -> str:
        plan = ask(f"Make a plan for this objective as a numbered list: {objective}")
        steps, done = _steps(plan), list[tuple[str, str]]()
        for number, step in enumerate(steps, 1):
            earlier = "\n".join(f"{step}: {result}" for step, result in done) or "Nothing yet."
            result = ask(
                f"For the following plan:\n{plan}\n\nYou execute step {number}, {step}.\n"
                f"Done so far:\n{earlier}\n\nDocuments:\n{joined(search(step))}"
            )
            done.append((step, result))
        results = "\n".join(f"{step}: {result}" for step, result in done)
        return ask(f"Objective: {objective}\nResults:\n{results}\nRespond to the user.")

    return Program(run, call)


def _decomposition(engines: Engines) -> Program:
    """Sub-questions, answered one by one, each with the pairs before it."""
    ask, search = asking(engines), _searching(engines, 3)

    def answer(question: str) -> str:
        parts = _lines(ask(f"Split this question into simpler ones, one on each line: {question}"))
        pairs = ""
        for part in parts:
            reply = ask(
                f"Here is the question:\n---\n{part}\n---\n"
                f"Questions and answers so far:\n---\n{pairs}\n---\n"
                f"Context:\n---\n{joined(search(part))}\n---\nAnswer the question."
            )
            pairs += f"\nQuestion: {part}\nAnswer: {reply}\n"
        return ask(f"Questions and answers:\n{pairs}\nNow answer: {question}")

    return Program(answer, call)


def _fan_out(engines: Engines) -> Program:
    """Subjects are worked on side by side by LangGraph's ``Send``; the best one wins."""
    return Program(graph_apps.fan_out(asking(engines)), graph_apps.best_of)


def _debate(engines: Engines) -> Program:
    """Three agents answer, read each other's answers, answer again; a judge decides."""
    ask = asking(engines)

    def debate(question: str) -> str:
        answers = [
            ask(f"You are agent {number}. Answer this question: {question}")
            for number in range(1, 4)
        ]
        for _ in range(2):
            revised = []
            for number, own in enumerate(answers):
                others = "\n\n".join(
                    f"Another agent says: {text}"
                    for other, text in enumerate(answers)
                    if other != number
                )
                revised.append(
                    ask(
                        f"{others}\n\nYour own answer was: {own}\n\n"
                        f"With these opinions, answer again: {question}"
                    )
                )
            answers = revised
        final = "\n\n".join(f"Answer {number}: {text}" for number, text in enumerate(answers, 1))
        return ask(f"Question: {question}\n\n{final}\n\nJudge the answers.")

    return Program(debate, call)


APPS = (
    App("pub_report", Group.PUBLIC, _report, Calls(11, 14)),
    App("pub_corrective_rag", Group.PUBLIC, _corrective, Calls(5, 6)),
    App("pub_self_rag", Group.PUBLIC, _self_reflective, Calls(3, 12)),
    App(
        "pub_researcher",
        Group.PUBLIC,
        _researcher,
        Calls(7, 9),
        longest=Longest(llm=5, embedding=2, search=2),
    ),
    App("pub_plan_execute", Group.PUBLIC, _plan_and_execute, Calls(4, 7)),
    App("pub_decomposition", Group.PUBLIC, _decomposition, Calls(4, 6)),
    App("pub_fan_out", Group.PUBLIC, _fan_out, Calls(2, 6)),
    App("pub_debate", Group.PUBLIC, _debate, exactly(10), longest=Longest(llm=4)),
)
"""Programs in the manner of public ones."""
