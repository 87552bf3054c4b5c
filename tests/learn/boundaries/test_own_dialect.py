"""What docs/pages/dialects.md shows: an engine that nobody knows runs ahead once described."""

from __future__ import annotations

import contextlib
import io
import time
from pathlib import Path
from typing import Any

from ayo_bridge.seam import EngineKind, Outcome
from tests.adapters.python.programs import learned
from tests.learn.boundaries.arms import ahead

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "pages" / "dialects.md"


def test_the_program_in_the_documentation_runs_and_its_engine_is_asked_ahead() -> None:
    program = DOCUMENT.read_text("utf-8").partition("```python\n")[2].partition("```")[0]
    # Calls of no time have nothing to gain.
    program = program.replace(
        "self.send_response(200)", "time.sleep(0.02); self.send_response(200)"
    )
    asking, closing, rest = program.partition("client.close()")
    names: dict[str, Any] = {"__name__": "documented", "time": time}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(asking, str(DOCUMENT), "exec"), names)
        try:
            learned(names["fast"])
            assert names["fast"]("grove") == names["embed"]("grove")
            made = ahead(names["fast"])
        finally:
            exec(compile(closing + rest, str(DOCUMENT), "exec"), names)
    assert made == {
        (EngineKind.EMBEDDING, Outcome.DIRECT): 1,
        (EngineKind.EMBEDDING, Outcome.HIT): 1,
    }
