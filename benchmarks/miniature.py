"""Ratios of a few programs over an emulated LLM, against those committed: two minutes.

``python -m benchmarks.miniature``. A 7B model is emulated (``serve-sim``, four times as fast as the
paper's); each program and the same program accelerated ask it in turns, as ``ayo-bridge bench``
has them do. What is compared is how many times as fast it is, never a time: exit status 1 if a
ratio is more than a quarter below the one in ``miniature.json``, or if anything differs. A row that
is below is measured again, since a neighbour on the machine may have been the cause; the median of
its tries counts. ``--update`` writes the ratios that were measured.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from ayo_bridge.bench import Bench, Report, Settings
from ayo_bridge.bench.ingesting import ingesting
from ayo_bridge.bench.loads import Closed
from ayo_bridge.lift.ingests import Text
from ayo_bridge.serving.emulated import EmulatedServer
from ayo_bridge.verify.target import known

COMMITTED: Final = Path(__file__).with_suffix(".json")
PROFILE: Final = "llama-2-7b@1x3090"
SPEED: Final = 4.0
TOKENS: Final = 24
BAND: Final = 0.25
TRIES: Final = 3
SECONDS: Final = 100.0
"""After so many nothing is measured again."""
_LEARNED: Final = 5
"""Calls that a program needs that is learned."""
_SEEN: Final = 1


class Judged(StrEnum):
    """A ratio beside the one that is committed."""

    WITHIN = ""
    BELOW = "BELOW the band"
    ABOVE = "above the band: the committed one is stale, --update writes it"
    NEW = "not committed yet: --update writes it"


def judged(ratio: float, committed: float | None) -> Judged:
    """Whether a ratio is what it was, within a quarter."""
    if committed is None:
        return Judged.NEW
    if ratio < committed * (1 - BAND):
        return Judged.BELOW
    return Judged.ABOVE if ratio > committed * (1 + BAND) else Judged.WITHIN


@dataclass(frozen=True, slots=True)
class Program:
    """Something to measure, made once the server is there.

    Args:
        make: of the server's URL, its model's name, and the folder of an embedding model.
        warm_up: so many questions are asked first.
        questions: or documents, where it ``ingests``.
    """

    name: str
    make: Callable[[str, str, str], Any]
    warm_up: int
    questions: int
    rounds: int = 2
    ingests: bool = False


@dataclass(slots=True)
class Row:
    """What came of a program: a ratio for each try, and what was different."""

    name: str
    ratios: list[float] = field(default_factory=list)
    differs: str = ""
    seconds: float = 0.0

    @property
    def ratio(self) -> float:
        """The median of the tries."""
        return statistics.median(self.ratios)


def _example(name: str) -> Callable[[str, str, str], Any]:
    def make(url: str, model: str, embedding: str) -> Any:
        from examples import measured

        return getattr(measured, name)

    return make


def _engine(name: str) -> Callable[[str, str, str], Any]:
    def make(url: str, model: str, embedding: str) -> Any:
        from benchmarks.programs import ENGINES

        return ENGINES[name](url, model, embedding, TOKENS)

    return make


PROGRAMS: Final = (
    Program("tree", _example("engine"), _SEEN, 4),
    Program("fusion", _engine("fusion"), _SEEN, 4),
    Program("chain", _example("chain"), _SEEN, 4),
    Program("function", _example("report"), _LEARNED, 5),
    Program("ingestion", _example("pipeline"), _SEEN, 12, 3, ingests=True),
)
"""A query engine and a fusion of LlamaIndex, a chain of LangChain, a function that is learned, and
a pipeline whose extractors ask the LLM."""


def measured(program: Program, target: Any, questions: Sequence[str]) -> Report:
    """The program against itself accelerated, at one user."""
    settings = Settings((Closed(1),), program.warm_up, program.rounds)
    if program.ingests:
        from examples.measured import texts

        given = [Text(each, name=str(at)) for at, each in enumerate(texts()[: program.questions])]
        place, documents = ingesting(target, program.name, given)
        return Bench(place, [(documents,)], settings, name=program.name).run()
    sessions = [(question,) for question in questions[: program.questions]]
    return Bench(known(target, program.name), sessions, settings, name=program.name).run()


def run(
    programs: Sequence[Program],
    committed: Mapping[str, float],
    measure: Callable[[Program], Report],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Row]:
    """Measure each; again where a ratio is below its band, as often and as long as that may be."""
    until = clock() + SECONDS
    for program in programs:
        row, began = Row(program.name), clock()
        while len(row.ratios) < TRIES:
            report = measure(program)
            if report.differs or not report.loads:
                row.differs = report.identity.line if report.differs else "; ".join(report.advice)
                break
            (load,) = report.loads
            assert load.ratio.latency is not None, "both have answered"
            row.ratios.append(load.ratio.latency.value)
            below = judged(row.ratio, committed.get(program.name)) is Judged.BELOW
            if not below or clock() > until:
                break
        row.seconds = clock() - began
        yield row


def off(row: Row, committed: Mapping[str, float]) -> bool:
    """Whether a row is a failure."""
    return bool(row.differs) or judged(row.ratio, committed.get(row.name)) is Judged.BELOW


def shown(row: Row, committed: float | None) -> str:
    """``tree      1.92x  committed 1.95x``, and what is off."""
    if row.differs:
        return f"{row.name:10}DIFFERS: {row.differs}"
    tries = f" (median of {', '.join(f'{each:.2f}' for each in row.ratios)})"
    was = "" if committed is None else f"  committed {committed:.2f}x"
    said = judged(row.ratio, committed)
    return (
        f"{row.name:10}{row.ratio:.2f}x{was}{tries if len(row.ratios) > 1 else ''}"
        f"  in {row.seconds:.0f} s{f'  {said}' if said else ''}"
    )


def update(rows: Sequence[Row], known_before: Mapping[str, float], file: Path = COMMITTED) -> None:
    """Write what was measured; rows that were not stay as they are."""
    ratios = {**known_before, **{row.name: round(row.ratio, 2) for row in rows}}
    about = {"label": "emulated", "profile": PROFILE, "speed": SPEED, "output_tokens": TOKENS}
    file.write_text(json.dumps({**about, "ratios": ratios}, indent=1) + "\n")


def read(file: Path = COMMITTED) -> dict[str, float]:
    """The committed ratios."""
    ratios: dict[str, float] = json.loads(file.read_text())["ratios"] if file.exists() else {}
    return ratios


@contextmanager
def serving() -> Iterator[tuple[str, str, str]]:
    """The emulated LLM and a small embedding model: a URL, a model's name, a folder."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ.update(AYO_TEMPLATES="0", AYO_MEASURE="0")
    from benchmarks.programs import embedding

    with (
        tempfile.TemporaryDirectory() as folder,
        EmulatedServer(PROFILE, speed=SPEED, output_tokens=TOKENS, model="m") as server,
    ):
        os.environ["AYO_PROFILE_DIR"] = f"{folder}/profiles"
        model = embedding(f"{folder}/model")
        os.environ.update(OPENAI_BASE_URL=server.url, LLM_MODEL="m", EMBEDDING_MODEL=model)
        yield server.url, "m", model


def main() -> int:
    """Measure, compare, and say what is off."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--update", action="store_true", help="write the ratios")
    parser.add_argument("--only", choices=[each.name for each in PROGRAMS])
    options = parser.parse_args()
    committed = read()
    against = {} if options.update else committed
    programs = [each for each in PROGRAMS if options.only in (None, each.name)]
    began, rows = time.monotonic(), []
    print(f"emulated: {PROFILE} at {SPEED:g}x; original / accelerated", flush=True)
    with serving() as (url, model, embedding):
        from benchmarks.programs import questions

        asked = questions()
        targets: dict[str, Any] = {}

        def measure(program: Program) -> Report:
            if program.name not in targets:
                targets[program.name] = program.make(url, model, embedding)
                gc.collect()
                gc.freeze()  # What is imported need not be gone through before every turn.
            return measured(program, targets[program.name], asked)

        for row in run(programs, against, measure):
            rows.append(row)
            print(shown(row, committed.get(row.name)), flush=True)
    gc.unfreeze()  # Else libraries find theirs leaked at the end.
    print(f"{time.monotonic() - began:.0f} s")
    if options.update and not any(row.differs for row in rows):
        update(rows, committed)
        print(f"written: {COMMITTED}")
        return 0
    return 1 if any(off(row, committed) for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
