"""``python -m examples.apps.run NAME``: one of the paper's apps, as it is and optimised.

``--simulate`` runs it in virtual time with the paper's costs; ``--llm-url`` on a server; without
either a vLLM with an untrained model is started. ``--plain`` is the unoptimised script,
``--side-by-side`` both, with their graphs.
"""

from __future__ import annotations

import signal
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.workflow import MISSING, text_of
from examples.apps import APPS, options
from examples.apps.arms import Arm, differences
from examples.apps.pages import decided, page, spans, text
from examples.apps.scripts import OPTIMISED, PLAIN, Script, Stage, Task, simulation
from examples.apps.spec import AppSpec, Sizes
from examples.apps.texts import SUBJECTS, Subject
from examples.demo.settings import quiet_environment

console = Console(highlight=False, soft_wrap=True)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    name: options.Name,
    simulate: options.Simulate = False,
    plain: options.Plain = False,
    side_by_side: options.SideBySide = False,
    stream: options.Stream = False,
    llm_url: options.LlmUrl = None,
    model: options.Model = None,
    chat: options.Chat = False,
    embedding: options.Embedding = None,
    reranker: options.Reranker = None,
    forms: options.Forms = True,
    profiles: options.Profiles = True,
    store: options.Store = "memory",
    question: options.Question = None,
    queries: options.Queries = 1,
    chunks: options.Chunks = None,
    answer_tokens: options.AnswerTokens = None,
    timeout: options.Timeout = None,
    mermaid: options.Mermaid = False,
    html: options.Html = None,
    tiny: options.Tiny = False,
) -> None:
    """Run one of the paper's apps."""
    spec = _spec(name)
    if simulate:
        sizes, stage = spec.sizes, simulation()
    else:
        from examples.apps.real import Engines, on_stage, small

        sizes = small(spec.sizes)
        engines = Engines(
            llm_url=llm_url,
            model=model,
            chat=chat,
            embedding=embedding,
            reranker=reranker,
            store=store,
            forms=forms,
            profiles=profiles,
            tiny=tiny,
        )
        stage = on_stage(spec, sizes, engines, console.print)
    subjects = [Subject(question, ())] if question else SUBJECTS[:queries]
    task = Task(spec, _resized(sizes, chunks, answer_tokens), subjects, timeout)
    chosen = [PLAIN, OPTIMISED] if side_by_side else [PLAIN if plain else OPTIMISED]
    arms = _run(stage, task, chosen, stream=stream)
    if stream:
        return
    _report(task, arms, graphs=side_by_side or mermaid, as_mermaid=mermaid)
    if html is not None:
        _save(html, task, arms, virtual=simulate)
    if side_by_side and not _equal(task, *arms):
        raise typer.Exit(1)


def _spec(name: str) -> AppSpec:
    if name not in APPS:
        raise typer.BadParameter(f"there is no app {name!r}; there are {', '.join(APPS)}")
    return APPS[name]


def _resized(sizes: Sizes, chunks: int | None, answer_tokens: int | None) -> Sizes:
    """The sizes with those that were asked for."""
    return replace(
        sizes, chunks=chunks or sizes.chunks, answer_tokens=answer_tokens or sizes.answer_tokens
    )


def _run(
    stage: AbstractContextManager[Stage], task: Task, scripts: list[Script], *, stream: bool
) -> list[Arm]:
    """Run the scripts one after another; the answer of a streamed one is printed instead."""
    console.print(f"{task.spec.what} ({task.spec.source})")
    with stage as ready:
        if stream:
            ready.stream(task, scripts[0], lambda piece: console.print(piece, end="", markup=False))
            console.print()
            return []
        if len(scripts) > 1:
            ready.warm_up(task)
        return [ready.run(task, script) for script in scripts]


def _save(file: Path, task: Task, arms: list[Arm], *, virtual: bool) -> None:
    note = "Virtual time, the paper's costs." if virtual else "Real engines, one run."
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(task.spec, arms, note), encoding="utf-8")
    console.print(f"page: {file}")


def _report(task: Task, arms: list[Arm], *, graphs: bool, as_mermaid: bool) -> None:
    for arm in arms if graphs else ():
        console.print(f"\nThe {arm.name} script runs this graph:", style="bold")
        console.print(text(arm.results[0].e_graph, as_mermaid=as_mermaid), markup=False)
        for line in decided(arm.results[0].decisions):
            console.print(f"  {line}", markup=False)
    for arm in arms:
        console.print(_times(arm))
    for subject, result in zip(task.subjects, arms[-1].results, strict=True):
        console.print(f"\n{subject.question}", style="bold", markup=False)
        if result.skipped:
            skipped = dict.fromkeys(result.e_graph[name].component for name in result.skipped)
            console.print(f"(skipped: {', '.join(skipped)})", markup=False)
        answer = "" if result.output is MISSING else text_of(result.output)
        console.print(answer.strip(), markup=False)


def _times(arm: Arm) -> Table:
    table = Table(title=f"{arm.name}: {arm.seconds:.2f} s", title_justify="left", box=None)
    for column in ("component", "starts", "ends"):
        table.add_column(column, justify="left" if column == "component" else "right")
    for component, start, end in spans(arm.results[0]):
        table.add_row(component, f"{start:.2f} s", f"{end:.2f} s")
    return table


def _equal(task: Task, plain: Arm, optimised: Arm) -> bool:
    """Say whether both scripts gave the same values, and how much sooner."""
    found = {
        subject.question: different
        for subject, one, other in zip(task.subjects, plain.results, optimised.results, strict=True)
        if (different := differences(one, other))
    }
    for question, names in found.items():
        console.print(f"{question}: not the same: {', '.join(names)}", style="red", markup=False)
    ratio = plain.seconds / optimised.seconds
    same = "not all values are the same" if found else "all values are the same"
    console.print(
        f"\n{same}; {plain.seconds:.2f} s as it is, {optimised.seconds:.2f} s optimised "
        f"({ratio:.2f} times faster)"
    )
    return not found


def _main() -> None:
    """Run the command; 130 if it was interrupted."""
    quiet_environment()
    # Both end every engine in order. (A shell's background job starts with SIGINT ignored.)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except AyoBridgeError as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    _main()
