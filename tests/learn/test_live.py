"""What of a call's predictions may be sent, and when; who learns in the background."""

from __future__ import annotations

import threading
from dataclasses import replace

from ayo_bridge.learn.count import Fixed, Length
from ayo_bridge.learn.learned_site import LearnedClass, LearnedSite, Selector, Status
from ayo_bridge.learn.live.foresight import Foresight
from ayo_bridge.learn.live.owners import Owners
from ayo_bridge.learn.live.reach import reach
from ayo_bridge.learn.live.worker import NAME, Worker
from ayo_bridge.learn.predict import Predicted
from ayo_bridge.learn.program import Const, Index, Program, Ref, Term
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Result
from ayo_bridge.learn.tracing.sites import Site
from ayo_bridge.seam import Answer, BoundaryCall, Call


def _site(name: str, program: Program, count: Fixed | Length, selector: Selector) -> LearnedSite:
    classes = (LearnedClass(selector, program, 4, 4),)
    return LearnedSite(name, Kind.LLM, classes, count, Status.LEARNED)


def _of(*place: str | int | Index) -> Ref:
    return Ref((Term(place),))


PLAN = _site("plan", Program((Const("plan "), _of("in", "q"))), Fixed(1), Selector(0, 0))
PARTS = _site(
    "part",
    Program((Const("part "), _of("at", "plan", 0, "lines", Index("visit")))),
    Length(("at", "plan", 0, "lines")),
    Selector(),
)
JOIN = _site(
    "join",
    Program((Const("join "), _of("at", "part", 0, "text"))),
    Fixed(1),
    Selector(0, 0),
)
TEMPLATE = Template((PLAN, PARTS, JOIN))
THREE = Result("a\nb\nc")


def _names(due: list[Predicted]) -> list[str]:
    return [each.request for each in due]


def _ready(foresight: Foresight) -> list[str]:
    return _names(foresight.ready(lambda each: True))


def _begun(**sites: set[str]) -> Foresight:
    """A call whose plan the original has made by itself."""
    foresight = Foresight(TEMPLATE, {"q": "x"}, **sites)
    assert _ready(foresight) == ["plan x"]
    assert foresight.asked("plan", (), "plan x") == ("plan", 0)
    foresight.answered(("plan", 0), THREE, own=True)
    return foresight


def test_one_prediction_of_a_site_is_outstanding_until_the_original_has_asked_for_one() -> None:
    foresight = _begun()
    assert _ready(foresight) == ["part a"]
    assert _ready(foresight) == []
    assert foresight.asked("part", (), "part a") == ("part", 0)
    assert _ready(foresight) == ["part b", "part c"]


def test_nothing_is_built_on_an_unclaimed_result_of_an_unconfirmed_site() -> None:
    foresight = _begun()
    _ready(foresight)
    foresight.answered(("part", 0), Result("made ahead"), own=False)
    assert _ready(foresight) == []
    foresight.asked("part", (), "part a")
    assert "join made ahead" in _ready(foresight)


def test_what_follows_from_what_may_be_asked_in_vain_is_built_on_it_once_that_was_right() -> None:
    foresight = _begun(free={"part"}, vain={"part"})
    assert _ready(foresight) == ["part a", "part b", "part c"]
    foresight.answered(("part", 0), Result("made ahead"), own=False)
    assert _ready(foresight) == ["join made ahead"]


def test_what_may_be_asked_in_vain_is_refuted_by_another_request_only() -> None:
    foresight = _begun(vain={"part"})
    _ready(foresight)
    assert foresight.refuted == set()
    foresight.asked("part", (), "something else")
    assert foresight.refuted == {"part"}


def test_the_originals_own_result_replaces_a_predicted_one() -> None:
    foresight = _begun()
    _ready(foresight)
    foresight.answered(("part", 0), Result("made ahead"), own=False)
    assert foresight.asked("part", (), "something else") == ("part", 0)
    foresight.answered(("part", 0), Result("the original's"), own=True)
    assert "join the original's" in _ready(foresight)
    assert foresight.refuted >= {"part"}


def test_what_the_original_asks_by_itself_is_not_sent_any_more() -> None:
    foresight = Foresight(TEMPLATE, {"q": "x"})
    foresight.asked("plan", (), "plan x")
    assert _ready(foresight) == []
    assert foresight.refuted == set()


def test_a_site_whose_calls_nobody_can_make_waits_until_somebody_can() -> None:
    foresight = Foresight(TEMPLATE, {"q": "x"})
    assert foresight.ready(lambda each: False) == []
    assert _ready(foresight) == ["plan x"]


def test_a_doubtful_site_is_only_watched_until_it_is_confirmed() -> None:
    foresight = Foresight(TEMPLATE, {"q": "x"}, doubtful={"part"})
    _ready(foresight)
    foresight.asked("plan", (), "plan x")
    foresight.answered(("plan", 0), THREE, own=True)
    assert _ready(foresight) == []
    foresight.asked("part", (), "part a")
    assert _ready(foresight) == ["part b", "part c"]
    foresight.asked("part", (), "part b")
    foresight.asked("part", (), "part c")
    assert foresight.refuted == set()


def test_a_doubtful_site_that_asks_something_else_again_is_refuted() -> None:
    foresight = Foresight(TEMPLATE, {"q": "x"}, doubtful={"part"})
    _ready(foresight)
    foresight.asked("plan", (), "plan x")
    foresight.answered(("plan", 0), THREE, own=True)
    assert _ready(foresight) == []
    foresight.asked("part", (), "other a")
    assert _ready(foresight) == []
    assert foresight.refuted == {"part"}


def test_nothing_is_made_of_results_that_the_original_asks_for_in_another_order() -> None:
    foresight = _begun()
    _ready(foresight)
    foresight.asked("part", (), "part b")
    foresight.answered(("part", 1), Result("of b"), own=True)
    foresight.answered(("part", 0), Result("of a"), own=False)
    assert _ready(foresight) == ["part c"]
    foresight.asked("part", (), "part a")
    foresight.answered(("part", 0), Result("of a"), own=True)
    foresight.asked("part", (), "part c")
    foresight.asked("join", (), "join of b")
    assert _ready(foresight) == []
    assert foresight.refuted == {"join"}


def test_visits_in_tasks_are_numbered_by_their_tasks() -> None:
    foresight = Foresight(TEMPLATE, {"q": "x"}, by_branch={"part"})
    assert foresight.asked("part", (2,), "unknown") == ("part", 2)
    assert foresight.asked("part", (0,), "unknown too") == ("part", 0)
    assert foresight.asked("part", (), "and this") == ("part", 1)


def test_jobs_are_done_one_after_another_in_a_thread_that_ends() -> None:
    worker, seen, done = Worker(NAME), [], threading.Event()

    def fails() -> None:
        seen.append(threading.current_thread())
        raise RuntimeError("in vain")

    def ends() -> None:
        seen.append(threading.current_thread())
        done.set()

    worker.submit(fails)
    worker.submit(ends)
    assert done.wait(10)
    assert {thread.name for thread in seen} == {NAME}
    assert all(thread.daemon for thread in seen)
    for thread in seen:
        thread.join(10)
        assert not thread.is_alive()


class _Client:
    pass


def _call(owner: object, manner: str = "plain") -> BoundaryCall:
    return BoundaryCall(
        kind="llm",
        owner=owner,
        request=dict,
        answer=lambda result: Answer(),
        remake=lambda owner, fields: Call("llm", repr(fields), None),
        manner=manner,
    )


def test_calls_go_ahead_by_the_client_that_all_calls_shared_and_no_other() -> None:
    owners, one, other = Owners(), _Client(), _Client()
    sites = [Site(name, ()) for name in ("shared", "varied", "mixed")]
    owners.saw(sites[0], _call(one))
    owners.saw(sites[0], _call(one))
    owners.saw(sites[1], _call(one))
    owners.saw(sites[1], _call(one, "with a header of its own"))
    owners.saw(sites[2], _call(one))
    owners.saw(sites[2], _call(other))
    owners.saw(sites[2], _call(one))
    assert owners.shared("shared") is not None
    assert owners.shared("varied") is None
    assert owners.shared("mixed") is None
    assert "client of its own" in owners.why_not("mixed")


def test_of_several_stores_searched_at_a_site_each_is_searched_by_its_own_name() -> None:
    owners, one, other = Owners(), _Client(), _Client()
    site = Site("site", ())
    for store, engine in ((one, "store"), (other, "store#2"), (one, "store")):
        owners.saw(site, replace(_call(store), kind="search", engine=engine))
    assert owners.shared("site") is None
    found = [owners.store("site", engine) for engine in ("store", "store#2")]
    assert [way and way.owner() for way in found] == [one, other]
    assert owners.store("site", "store#3") is None
    assert owners.store("another", "store") is None


def test_clients_are_not_kept_alive() -> None:
    owners, client = Owners(), _Client()
    owners.saw(Site("site", ()), _call(client))
    way = owners.shared("site")
    assert way is not None
    assert way.owner() is client
    del client
    assert way.owner() is None


def test_what_a_call_is_given_is_found_in_containers_and_attributes() -> None:
    client, other = _Client(), _Client()
    holder = _Client()
    vars(holder)["models"] = {"first": [client]}
    found = reach(["text", (holder,), 3])
    assert id(client) in found
    assert id(other) not in found
    vars(holder)["self"] = holder
    assert id(client) in reach([holder])
