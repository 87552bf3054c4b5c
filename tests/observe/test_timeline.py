import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from ayo_bridge.graph import Op, Primitive, Template
from ayo_bridge.observe import timeline_state
from ayo_bridge.observe.gantt import bars
from ayo_bridge.passes import Decision
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.seam import Outcome
from tests.observe import samples
from tests.observe.states import GRAPH, TEMPLATE, call, record, state

Sample = Callable[[], CallRecord]
VOID = {"meta", "input", "br"}
SAMPLES = {"fusion": samples.fusion, "tree": samples.tree, "refine": samples.refine}


class Page(HTMLParser):
    """Fails on tags that do not nest; collects what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def values(self, tag: str, attribute: str) -> list[str | None]:
        return [attrs.get(attribute) for name, attrs in self.tags if name == tag]


def written(shown: AcceleratedState, tmp_path: Path) -> str:
    return timeline_state(shown, tmp_path / "page.html").read_text("utf-8")


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_the_page_shows_every_primitive_before_and_after(sample: Sample, tmp_path: Path) -> None:
    made = sample()
    page = Page(written(state(made), tmp_path))
    drawn = [value for value in page.values("g", "data-id") if value]
    assert sorted(drawn) == sorted([*made.p_graph.primitives, *made.e_graph.primitives])
    assert any("Rewrites" in text for text in page.text)
    for decision in made.decisions:
        assert decision.reason in page.text


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_the_page_needs_nothing_from_outside(sample: Sample, tmp_path: Path) -> None:
    text = written(state(sample()), tmp_path)
    assert not re.search(r"https?://|url\((?!#)|@import|<script|<link|\bsrc=", text)


def test_all_text_is_escaped(tmp_path: Path) -> None:
    evil = '<script>alert("&")</script>'
    graph = GRAPH.replace(add=[Primitive(evil, Op.HOST, evil, evil, ("hits",), (evil,))])
    made = record(
        call(Outcome.DROPPED, primitive=evil, engine=evil, error=evil),
        decisions=[Decision(evil, (evil,), False, evil)],
        error=evil,
        e_graph=graph,
    )
    made.entry = evil
    made.template = replace(TEMPLATE, notes=(evil,))
    shown = state(made, opaque=((evil, evil),), switched_off=evil)
    shown.target = shown.adapter = evil
    text = written(shown, tmp_path)
    assert "<script" not in text
    assert evil in Page(text).values("g", "data-id")


def test_the_last_call_is_shown_and_the_others_can_be_picked(tmp_path: Path) -> None:
    page = Page(written(state(record(), record(), record()), tmp_path))
    picks = [attrs for tag, attrs in page.tags if tag == "input"]
    assert [attrs["id"] for attrs in picks if "checked" in attrs] == ["pick-2"]
    assert set(page.values("label", "for")) == {"pick-0", "pick-1", "pick-2"}
    assert page.values("section", "id") == ["call-0", "call-1", "call-2"]


def test_a_page_can_be_written_before_any_call(tmp_path: Path) -> None:
    assert "no call has finished yet" in written(state(), tmp_path)


def test_odd_records_are_drawn(tmp_path: Path) -> None:
    nothing = record()
    nothing.ended = nothing.started
    nothing.template = Template(())
    running = record(call(), call(Outcome.AHEAD))
    running.ended = None
    running.calls[1].started = running.calls[1].ended = None
    early = record(call(start=9.5))
    unknown = record(call(primitive="nobody knows"))
    Page(written(state(nothing, running, early, unknown), tmp_path))


def test_calls_of_a_batch_share_a_bar_if_they_fared_alike() -> None:
    batch = [call(batch=4), call(batch=4), call(Outcome.WASTED, batch=4), call(batch=4)]
    alone = [call(), call()]
    assert [len(bar.calls) for bar in bars([*batch, *alone])] == [3, 1, 1, 1]


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_the_trace_has_a_process_a_call_and_lanes_without_overlap(
    sample: Sample, tmp_path: Path
) -> None:
    first, second = sample(), sample()
    path = timeline_state(state(first, second), tmp_path / "trace.json")
    events = json.loads(path.read_text())["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    assert {event["pid"] for event in spans} == {1, 2}
    engine_spans = [event for event in spans if event["pid"] == 1 and event["tid"] > 0]
    assert len(engine_spans) == len(first.calls)
    lanes: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in spans:
        lanes.setdefault((event["pid"], event["tid"]), []).append(
            (event["ts"], event["ts"] + event["dur"])
        )
    for lane in lanes.values():
        lane.sort()
        assert all(a[1] <= b[0] + 0.01 for a, b in pairwise(lane))
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    assert set(lanes) <= named
    assert engine_spans[0]["args"]["outcome"] in set(Outcome)


def test_a_trace_before_any_call_is_empty(tmp_path: Path) -> None:
    path = timeline_state(state(), tmp_path / "trace.json")
    assert json.loads(path.read_text())["traceEvents"] == []


@pytest.mark.parametrize("name", ["x.svg", "x", "x.html.gz"])
def test_other_suffixes_are_refused_with_what_is_possible(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.html .*\.json") as error:
        timeline_state(state(), tmp_path / name)
    assert name in str(error.value)
    assert not list(tmp_path.iterdir())


def test_the_file_is_replaced_whole_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "page.HTML"
    path.write_text("old")
    assert timeline_state(state(), str(path)) == path
    assert path.read_text().startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [path]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_an_unwritable_place_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        timeline_state(state(), tmp_path / "nowhere" / "page.html")
