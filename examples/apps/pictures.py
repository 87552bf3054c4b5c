"""``python -m examples.apps.pictures`` draws the graphs in README.md next to this file again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ayo_bridge.graph import mermaid
from ayo_bridge.simulate import run_virtual
from examples.apps import APPS
from examples.apps.arms import inputs
from examples.apps.scripts import OPTIMISED, PLAIN, Script
from examples.apps.simulated import simulated
from examples.apps.texts import SUBJECTS

README: Final = Path(__file__).with_name("README.md")
_DRAWN: Final = re.compile(r"<!-- (\w+) (\w+) -->\n```mermaid\n.*?```\n", re.DOTALL)


def drawing(name: str, script: Script) -> str:
    """The graph that a script of an app runs in simulation, as a Mermaid flowchart."""
    spec = APPS[name]

    async def planned() -> str:
        app = simulated(spec, spec.sizes).app(spec, spec.sizes, passes=script[1])
        asked = inputs(spec, spec.sizes, SUBJECTS[0])
        return mermaid(app.plan(asked, spec.workflow(spec.sizes)).e_graph)

    return run_virtual(planned())


def drawn(text: str) -> str:
    """The text of a page with its drawings made anew."""
    scripts = {script[0]: script for script in (PLAIN, OPTIMISED)}

    def again(found: re.Match[str]) -> str:
        name, script = found.groups()
        return f"<!-- {name} {script} -->\n```mermaid\n{drawing(name, scripts[script])}```\n"

    return _DRAWN.sub(again, text)


if __name__ == "__main__":
    README.write_text(drawn(README.read_text(encoding="utf-8")), encoding="utf-8")
