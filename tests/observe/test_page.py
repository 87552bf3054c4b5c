"""The order of the page, and what it is on a narrow screen: by its structure, without a browser."""

import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from ayo_bridge.graph import Graph, Op, Primitive
from ayo_bridge.observe import explain_state, timeline_state
from ayo_bridge.seam import EngineCall, Outcome
from tests.observe import samples
from tests.observe.states import call, record, state

PHONE = 390
PADDING = 2 * 16
SCROLLED = {"table", "svg.graph", "svg.gantt"}
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
FIXED = re.compile(r"(?:^|[ ;])(?:min-)?width: (\d+)px")


class Outline(HTMLParser):
    """Every tag with its classes, and with the classes of what it stands in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str], list[str]]] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given, [f"{each}.{names}" for each, names in self.open]))
        if tag not in {"meta", "input"}:
            self.open.append((tag, given.get("class", "")))

    def handle_endtag(self, tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def first(self, tag: str, name: str = "") -> int:
        return next(
            i
            for i, (found, given, _) in enumerate(self.tags)
            if found == tag and name in given.get("class", "")
        )


def page(*records: object, tmp_path: Path) -> Outline:
    shown = state(*records)  # type: ignore[arg-type]
    return Outline(timeline_state(shown, tmp_path / "page.html").read_text("utf-8"))


def many(number: int) -> tuple[Graph, list[EngineCall]]:
    names = [f"answer.prefill[{i}]" for i in range(number)]
    graph = Graph([Primitive(name, Op.PREFILLING, "answer", "llm") for name in names])
    made = [
        call(Outcome.HIT, primitive=name, engine="llm", start=10.0 + i / 1e4, seconds=0.9)
        for i, name in enumerate(names)
    ]
    return graph, made


def test_first_the_verdict_with_a_bar_before_and_one_after_then_the_chart(tmp_path: Path) -> None:
    made = page(samples.tree(), tmp_path=tmp_path)
    order = [
        made.first("div", "verdict"),
        made.first("span", "fill before"),
        made.first("span", "fill after"),
        made.first("svg", "gantt"),
        made.first("details"),
    ]
    assert order == sorted(order)
    widths = [given["style"] for tag, given, _ in made.tags if "fill" in given.get("class", "")]
    assert widths[0] == "width: 100.0%"
    assert 0 < float(widths[1].removeprefix("width: ").removesuffix("%")) < 100


def test_without_anything_made_ahead_there_are_no_bars(tmp_path: Path) -> None:
    made = page(record(call(Outcome.DIRECT)), tmp_path=tmp_path)
    assert not any("fill" in given.get("class", "") for _, given, _ in made.tags)
    assert any(text.startswith("nothing won") for text in made.said)


@pytest.mark.parametrize("sample", [samples.fusion, samples.tree, samples.refine])
def test_what_is_wide_stands_in_boxes_that_scroll(sample: object, tmp_path: Path) -> None:
    made = page(sample(), tmp_path=tmp_path)  # type: ignore[operator]
    wide = [
        (tag, within)
        for tag, given, within in made.tags
        if tag == "table" or (tag == "svg" and int(float(given["width"])) > PHONE - PADDING)
    ]
    assert wide
    assert all(any(each.endswith("scroll") for each in within) for _, within in wide)
    narrow = [given for tag, given, _ in made.tags if "gantt narrow" in given.get("class", "")]
    assert [float(given["width"]) <= PHONE - PADDING for given in narrow] == [True]


def test_no_rule_makes_anything_else_wider_than_a_telephone() -> None:
    for name in ("chart.css", "page.css"):
        text = files("ayo_bridge.observe").joinpath(name).read_text("utf-8")
        for selector, declared in RULE.findall(text):
            if any(int(pixels) > PHONE - PADDING for pixels in FIXED.findall(declared)):
                assert any(each in selector for each in SCROLLED), selector
    chart = files("ayo_bridge.observe").joinpath("chart.css").read_text("utf-8")
    narrow = chart.partition("@media (max-width: 900px)")[2]
    assert ".wide { display: none; }" in narrow
    assert ".narrow { display: block; }" in narrow


def test_equal_rows_are_folded(tmp_path: Path) -> None:
    graph, calls = many(48)
    made = page(record(*calls, e_graph=graph), tmp_path=tmp_path)
    bars = [given for tag, given, _ in made.tags if tag == "g" and "bar " in given.get("class", "")]
    assert len(bars) == 2, "one in each of the two charts"
    assert "answer.prefill[0-47] ×48" in made.said
    assert "answer.prefill[0-47] x 48" in made.said


def test_rows_that_differ_are_not_folded(tmp_path: Path) -> None:
    graph, calls = many(4)
    for i, each in enumerate(calls):
        each.ended = 10.5 + i / 10
    made = page(record(*calls, e_graph=graph), tmp_path=tmp_path)
    bars = [given for tag, given, _ in made.tags if tag == "g" and "bar " in given.get("class", "")]
    assert len(bars) == 8


def test_a_notebook_shows_the_verdict_and_the_chart_and_styles_nothing_else() -> None:
    said = explain_state(state(samples.tree()))
    html = said._repr_html_()
    made = Outline(html)
    assert not made.open
    assert str(said.verdict) in made.said
    assert made.first("div", "verdict") < made.first("svg", "gantt")
    sheet = files("ayo_bridge.observe").joinpath("chart.css").read_text("utf-8")
    sheet = re.sub(r"/\*.*?\*/|@media[^{]*\{", "", sheet)
    for selector, _ in RULE.findall(sheet):
        assert all(each.strip(" }\n").startswith(".ayo") for each in selector.split(",")), selector
    assert not re.search(r"https?://|<script|@import|\bsrc=", html)
    assert "no call has finished yet" in explain_state(state())._repr_html_()
