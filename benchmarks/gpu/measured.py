"""``python -m benchmarks.gpu.measured --server URL``: four engines in turns over a served LLM.

A tree, a fusion, a refine chain and a compact answer of LlamaIndex, each as it is and accelerated,
by ``ayo_bridge.bench``: requests and answers are compared, latencies alternate. Prints a table,
and writes the figures with the engine and the card that they are of.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ayo_bridge.bench import Bench, Report, Settings
from ayo_bridge.bench.loads import users
from ayo_bridge.bench.report import times
from ayo_bridge.observe.wording import duration
from ayo_bridge.verify.target import known
from benchmarks.gpu.label import Label, card, engine_at

TOKENS: Final = 64
ROUNDS: Final = 5
_DEFAULT: Final = ("tree", "fusion", "refine", "compact")


def measure(
    url: str, model: str, kinds: Sequence[str], options: argparse.Namespace
) -> dict[str, Report]:
    """Each kind of engine against itself accelerated."""
    os.environ.update(AYO_TEMPLATES="0", AYO_MEASURE="0", HF_HUB_OFFLINE="1")
    from benchmarks.programs import ENGINES, embedding, questions

    sessions = [(question,) for question in questions()[: options.questions]]
    settings = Settings(users(options.concurrency), warm_up=1, rounds=options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AYO_PROFILE_DIR"] = f"{folder}/profiles"
        embedded = embedding(f"{folder}/model", options.tokenizer)
        found = {}
        for kind in kinds:
            engine = ENGINES[kind](url, model, embedded, options.tokens)
            found[kind] = Bench(known(engine, kind), sessions, settings, name=kind).run()
            print(shown(kind, found[kind]), flush=True)
    return found


def shown(kind: str, report: Report) -> str:
    """A line for each load, and one on what was compared."""
    lines = []
    for load in report.loads:
        before, after = (duration(each.latency["p50"].value) for each in load.arms[:2])
        ratio = "-" if load.ratio.latency is None else times(load.ratio.latency)
        lines.append(f"{kind:8}{load.load:9}{before:>9} -> {after:>9}  {ratio}")
    return "\n".join([*lines, f"{'':8}{report.identity.line}"])


def result(label: Label, reports: dict[str, Report], options: argparse.Namespace) -> dict[str, Any]:
    """What is written: figures, and what they are of."""
    return {
        "label": str(label),
        "engine": label.engine,
        "gpu": None if label.card is None else asdict(label.card),
        "dtype": label.dtype or None,
        "options": {key: str(value) for key, value in vars(options).items()},
        "engines": {kind: report.to_dict() for kind, report in reports.items()},
    }


def parser() -> argparse.ArgumentParser:
    """The options of this command, and of the one that serves, too."""
    made = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    made.add_argument("--server", help="URL ending in /v1")
    made.add_argument("--model", default="", help="the name to request; the first served")
    made.add_argument("--engine", default="", help="what serves, if it does not say so itself")
    made.add_argument("--dtype", default="", help="in which numbers it computes")
    made.add_argument("--tokenizer", default=None, help="folder, for the embedding model's words")
    made.add_argument("--kinds", nargs="+", choices=_DEFAULT, default=list(_DEFAULT))
    made.add_argument("--questions", type=int, default=8)
    made.add_argument("--rounds", type=int, default=ROUNDS)
    made.add_argument("--tokens", type=int, default=TOKENS, help="of an answer, at most")
    made.add_argument("--concurrency", default="1")
    made.add_argument("--require-gpu", action="store_true", help="exit with 3 where none serves")
    made.add_argument("--out", type=Path, help="write the figures to this file")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is served at a URL."""
    options = parser().parse_args(arguments)
    if not options.server:
        print("name a server: --server URL", file=sys.stderr)
        return 2
    model = options.model or served(options.server)
    engine = options.engine or engine_at(options.server)
    # A card is named only while something computes on it here: a server elsewhere has none of ours.
    here = "127.0.0.1" in options.server or "localhost" in options.server
    found = card() if here and engine != "emulated" else None
    label = Label(engine, found, options.dtype)
    if options.require_gpu and label.card is None:
        print(f"no GPU serves {options.server}: {label}", file=sys.stderr)
        return 3
    print(label, flush=True)
    reports = measure(options.server, model, options.kinds, options)
    if options.out is not None:
        text = json.dumps(result(label, reports, options), indent=1, default=str)
        options.out.write_text(text + "\n", "utf-8")
        print(f"written: {options.out}")
    return 1 if any(each.differs or not each.loads for each in reports.values()) else 0


def served(url: str) -> str:
    """The first model that a server lists."""
    import urllib.request

    with urllib.request.urlopen(f"{url}/models", timeout=30) as reply:
        return str(json.loads(reply.read())["data"][0]["id"])


if __name__ == "__main__":
    sys.exit(main())
