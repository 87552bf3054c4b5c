"""``python -m tests.installs``: the wheel with each extra in an empty environment.

Each pair of an interpreter and an extra gets an environment of its own: pip installs the wheel of
this clone with that extra, ``pip check`` and ``ayo-bridge doctor`` look at it, and the extra's
programs run in it over a stub of an LLM server. Downloads what the extras bring. Exits with 1 if
one of them fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.installs.environments import build_wheel
from tests.installs.extras import REPOSITORY, extras
from tests.installs.trials import Trial, bench, tried


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    trials = []
    with tempfile.TemporaryDirectory(prefix="ayo-installs-", dir=options.folder) as made:
        folder = Path(made).absolute()  # Commands run in other folders.
        wheel = options.wheel.absolute() if options.wheel else None
        what = REPOSITORY if options.clone else wheel or build_wheel(folder)
        with bench(folder, str(what), lowest=options.lowest, torch=options.torch) as on:
            for python in options.python:
                for extra in options.extras:
                    trials.append(tried(python.absolute(), extra, on))
                    print(_line(trials[-1]), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(trial) for trial in trials], indent=1) + "\n")
    print(*_table(trials), sep="\n")
    return int(any(trial.result == "FAILS" for trial in trials))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.installs", description=__doc__)
    parser.add_argument(
        "--python", type=Path, nargs="+", default=[Path(sys.executable)], help="interpreters"
    )
    parser.add_argument("--extras", nargs="+", default=extras(), choices=extras())
    parser.add_argument("--wheel", type=Path, help="a wheel that is built already")
    parser.add_argument("--clone", action="store_true", help="install the clone, not a wheel")
    parser.add_argument(
        "--lowest", action="store_true", help="the oldest versions that pyproject.toml lets in"
    )
    parser.add_argument("--torch", default="torch", help="which, as torch==2.13.0; once for all")
    parser.add_argument("--folder", type=Path, help="where environments are made, and removed")
    parser.add_argument("--json", type=Path, help="write the results there, too")
    return parser.parse_args(arguments)


def _line(trial: Trial) -> str:
    return f"{trial.python:<8} {trial.extra:<24} {trial.result:<8} {trial.seen}"


def _table(trials: Sequence[Trial]) -> Iterator[str]:
    yield ""
    yield "| Python | extra | quick start | packages | size | installed in |"
    yield "|---|---|---|---|---|---|"
    for each in trials:
        size = f"{each.packages} | {each.megabytes} MB | {each.seconds:.0f} s"
        shown = size if each.packages else f"- | - | {each.seconds:.0f} s"
        yield f"| {each.python} | {each.extra} | {each.result} | {shown} |"


if __name__ == "__main__":
    sys.exit(main())
