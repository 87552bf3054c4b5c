"""All pages in headless Chromium, on a desk and on a telephone: nothing overlaps, none scrolls
sideways."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ayo_bridge.bench.page import as_html
from ayo_bridge.observe import timeline_state
from ayo_bridge.seam import Outcome
from examples.apps.run import app
from tests.bench.made import made_up
from tests.observe import samples
from tests.observe.states import call, record, state
from tests.pages.browser import Seen, chromium, looked_at

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
WIDTHS = (1400, 390)
RESULTS = {
    "paper": BENCHMARKS / "paper" / "results.html",
    "learned": BENCHMARKS / "learned" / "results.html",
    "scale": BENCHMARKS / "scale" / "results.html",
}
OTHERS = ("timeline", "timeline-failed", "timeline-new", "app", "bench")
PLANTED = """<!doctype html><html><body style="margin: 0">
<p style="position: absolute; top: 0">one text</p><p style="position: absolute; top: 4px">another
</p><div style="width: 500px; margin-top: 90px">wide</div>
<svg width="40" height="20"><text x="10" y="15">a long title that is cut</text></svg>
</body></html>"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, int], Seen]:
    command = chromium()
    if command is None:
        pytest.skip("there is no chromium on this machine: apt-get install chromium")
    folder = tmp_path_factory.mktemp("pages")
    pages = {**RESULTS, **_timelines(folder), "app": folder / "app-page.html"}
    options = ["advanced", "--simulate", "--side-by-side", "--html", str(pages["app"])]
    assert CliRunner().invoke(app, options).exit_code == 0
    pages["bench"] = folder / "bench-page.html"
    pages["bench"].write_text(as_html(made_up()), "utf-8")
    pages["planted"] = folder / "planted-page.html"
    pages["planted"].write_text(PLANTED)
    return looked_at(command, pages, WIDTHS, folder)


def _timelines(folder: Path) -> dict[str, Path]:
    """Of several calls, of one that failed, and before the first call."""
    failed = record(
        call(Outcome.DROPPED, waited=0.1, error="ConnectionError: the server is gone"),
        error="ConnectionError: the server is gone",
    )
    states = {
        "timeline": state(samples.refine(), samples.tree(24), samples.fusion()),
        "timeline-failed": state(failed, switched_off="it was slower than the original"),
        "timeline-new": state(),
    }
    return {
        name: timeline_state(each, folder / f"{name}-page.html") for name, each in states.items()
    }


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", [*RESULTS, *OTHERS])
def test_nothing_overlaps_is_cut_or_scrolls_sideways(
    page: str, width: int, seen: Mapping[tuple[str, int], Seen]
) -> None:
    found = seen[page, width]
    assert found.width == width
    assert found.texts > 5
    assert found.charts > 2 or page not in RESULTS
    assert found.wide <= 0
    assert not found.overlaps
    assert not found.cut


def test_the_check_sees_what_is_planted(seen: Mapping[tuple[str, int], Seen]) -> None:
    phone = seen["planted", 390]
    assert phone.wide == 110
    assert phone.overlaps == ["one text | another"]
    assert phone.cut == ["a long title that is cut"]
    assert seen["planted", 1400].wide <= 0
