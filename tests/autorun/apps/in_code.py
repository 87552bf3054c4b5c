"""An application of which one line was changed: `in_code.py APP URL QUESTIONS`."""

import importlib
import sys
from typing import Any

from ayo_bridge import accelerate

_, app, url, questions = sys.argv
module = importlib.import_module(app)
build = module.build


def built(url: str) -> Any:
    return accelerate(build(url))


module.build = built  # type: ignore[attr-defined]
module.main(url, int(questions))
