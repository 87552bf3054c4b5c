"""``python -m tests.compositions``: random compositions, as they are and accelerated.

Prints each difference with its smallest example; exits with an error if there is one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.compositions.compare import WORLDS, comparing
from tests.compositions.drawing import LATE_TREES, TREES, WIDER_TREES
from tests.compositions.engines import running_engines
from tests.compositions.searching import smallest_difference

_CHUNK = 25
_TREES = {"plain": TREES, "wider": WIDER_TREES, "late": LATE_TREES}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.compositions", description=__doc__)
    parser.add_argument("--framework", choices=sorted(WORLDS), required=True)
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="of the first 25 examples")
    parser.add_argument("--entry", help="ask by this entry only")
    parser.add_argument(
        "--trees",
        choices=sorted(_TREES),
        default="plain",
        help="wider: with failing servers, answers that decide, streams; late: with time-outs too",
    )
    chosen = parser.parse_args(arguments)
    trees = _TREES[chosen.trees]
    differences = 0
    with (
        tempfile.TemporaryDirectory(prefix="ayo-profiles-") as folder,
        running_engines() as engines,
        comparing(chosen.framework, engines, Path(folder)) as compared,
    ):
        started = time.monotonic()
        for first in range(0, chosen.examples, _CHUNK):
            count = min(_CHUNK, chosen.examples - first)
            seed = chosen.seed + first // _CHUNK
            found = smallest_difference(compared, seed, count, chosen.entry, trees)
            if found is not None:
                differences += 1
                print(f"DIFFERENCE, --seed {seed}:\n{found}", flush=True)
            print(f"seed {seed}: {compared.seen} ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"{chosen.framework}: {differences} differences; {compared.seen}")
    return int(differences > 0)


if __name__ == "__main__":
    sys.exit(main())
