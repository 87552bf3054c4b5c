"""`ayo-bridge bench`: how much faster an application is accelerated, measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ayo_bridge.bench import Report
    from ayo_bridge.bench.loads import Load
    from ayo_bridge.bench.sessions import Session
    from ayo_bridge.verify import Target
    from ayo_bridge.verify.target import Loaded

    Read = Callable[[Target, str, str], tuple[Loaded, list[Session]]]
    """Gives what is measured, and what is asked of it, by a target, its name and an entry."""


_Questions = Annotated[
    Path,
    typer.Option(help="A file, one question or JSON object a line; with --ingest, of documents."),
]
_Entry = Annotated[
    str, typer.Option(help="The method to call, e.g. aquery or astream; its first by default.")
]
_Chat = Annotated[
    bool, typer.Option("--chat", help="Conversations: empty lines stand between them.")
]
_Ingest = Annotated[
    bool, typer.Option("--ingest", help="Ingest the documents of the file or folder.")
]
_Arms = Annotated[
    str, typer.Option(help="What is compared; the first is what all are held against.")
]
_Ablate = Annotated[bool, typer.Option("--ablate", help="Measure without each of the passes, too.")]


def bench(
    target: Annotated[str, typer.Argument(help="app.py:engine, or package.module:name.")],
    questions: _Questions,
    entry: _Entry = "",
    chat: _Chat = False,
    ingest: _Ingest = False,
    warm_up: Annotated[
        int, typer.Option(min=0, help="Sessions of each arm first, from which is learned.")
    ] = 12,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Rounds of a load; 6 by default, 3 of arrivals.")
    ] = None,
    concurrency: Annotated[
        str, typer.Option(help="Users at a time, e.g. 1,4: a load for each.")
    ] = "1",
    rate: Annotated[
        str | None, typer.Option(help="Poisson arrivals a second, e.g. 0.5,1,2: a load for each.")
    ] = None,
    duration: Annotated[float, typer.Option(help="Seconds of arrivals in a round.")] = 30.0,
    trace: Annotated[
        Path | None, typer.Option(help="A file of arrivals: one time, in seconds, a line.")
    ] = None,
    arms: _Arms = "original,ayo",
    ablate: _Ablate = False,
    seed: Annotated[int, typer.Option(help="Of arrivals and intervals.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write a page to this file (.html).")] = None,
) -> None:
    """Measure an object against itself accelerated, in turns, over the same engines.

    The module of the object may offer further arms: --arms original,mine,ayo.

    Answers and requests are compared, too. What the object calls or writes beside is done again
    for each call: each question is asked many times.

    Exit status 0: measured, all the same; 1: something differs; 2: it could not be run, or nothing
    was answered; 130: it was interrupted, and what was measured by then is shown.
    """
    from ayo_bridge.bench import Bench, BenchError, Settings
    from ayo_bridge.bench.arms import chosen
    from ayo_bridge.cli.progress import Shown
    from ayo_bridge.verify import Target, VerifyError

    try:
        where = Target.of(target)
        loads = _loads(concurrency, rate, duration, trace, seed)
        read = _documents(questions, loads, chat) if ingest else _questions(questions, chat)
        _writable(json, page)
        settings = Settings(loads, warm_up, rounds, ablate, seed)
        with Shown(f"importing {where.where}") as told:
            loaded, sessions = read(where, target, entry)
            compared = chosen(arms, where.module)
            measured = Bench(loaded, sessions, settings, name=target, arms=compared, told=told)
            report = measured.run()
    except (BenchError, VerifyError) as error:
        typer.secho(f"{type(error).__name__}: {error}", fg="red", err=True)
        raise typer.Exit(2) from error
    _show(report, json, page)
    if status := _status(report):
        raise typer.Exit(status)


def _questions(file: Path, chat: bool) -> Read:
    """What is asked. The file is read before the program is imported."""
    from ayo_bridge.bench.sessions import read_sessions
    from ayo_bridge.verify import load

    sessions = read_sessions(file, chat=chat)
    return lambda where, name, entry: (load(where, entry), sessions)


def _documents(file: Path, loads: list[Load], chat: bool) -> Read:
    """What is ingested."""
    from ayo_bridge.bench import BenchError
    from ayo_bridge.bench.documents import read_documents
    from ayo_bridge.bench.ingesting import ingesting
    from ayo_bridge.bench.loads import Closed
    from ayo_bridge.verify.target import imported

    if chat or loads != [Closed(1)]:
        raise BenchError(
            "--ingest has one run at a time: leave out --chat, --concurrency, --rate, --trace"
        )
    texts = read_documents(file)

    def read(where: Target, name: str, entry: str) -> tuple[Loaded, list[Session]]:
        loaded, documents = ingesting(imported(where), name, texts, entry)
        return loaded, [(documents,)]

    return read


def _status(report: Report) -> int:
    if report.differs:
        return 1
    return 130 if report.said.interrupted else 0 if report.loads else 2


def _loads(
    concurrency: str, rate: str | None, duration: float, trace: Path | None, seed: int
) -> list[Load]:
    from ayo_bridge.bench.loads import poisson, rates, traced, users

    loads: list[Load] = [*users(concurrency)]
    loads += [poisson(each, duration, seed) for each in (rates(rate) if rate else ())]
    loads += [traced(trace, seed)] if trace is not None else []
    return loads


def _writable(json: Path | None, page: Path | None) -> None:
    """Say at once, and not after minutes, what cannot be written."""
    from ayo_bridge.bench import BenchError
    from ayo_bridge.bench.page import missing

    for file in (json, page):
        if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
            raise BenchError(f"{file} cannot be written: name a file in a folder that is there")
    if page is not None and (why := missing()):
        typer.secho(why, fg="yellow", err=True)


def _show(report: Report, json: Path | None, page: Path | None) -> None:
    from json import dumps

    from ayo_bridge.bench.page import as_html, missing
    from ayo_bridge.bench.text import as_text

    typer.echo(as_text(report), nl=False)
    if json is not None:
        text = dumps(report.to_dict(), ensure_ascii=False, indent=1, default=str)
        json.write_text(text + "\n", "utf-8")
        typer.echo(f"written: {json}", err=True)
    if page is not None and not missing():
        page.write_text(as_html(report), "utf-8")
        typer.echo(f"written: {page}", err=True)
