"""What comes from nothing known is a value once the original has asked for it."""

import random

from ayo_bridge.learn.asked import asked_site
from ayo_bridge.learn.describe import describe
from ayo_bridge.learn.disk.storage import template_from_json, template_to_json
from ayo_bridge.learn.induction.induce import induce
from ayo_bridge.learn.learned_site import Status
from ayo_bridge.learn.live.foresight import Foresight
from ayo_bridge.learn.predict import Predicted
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Trace
from tests.learn.apps import Recorder, learned, question, record


def session(query: str) -> str:
    """An id that follows from nothing that a template knows."""
    return f"{random.Random(query + 'salt').getrandbits(64):016x}"


def with_session(run: Recorder, query: str) -> None:
    """Three prompts of one session: nothing in the first answer is needed for the others."""
    name = session(query)
    first = run.llm("first", f"Session {name}. List causes of: {query}")
    run.llm("second", f"Session {name}. List effects of: {query}")
    run.llm("last", f"Session {name}. Weigh {first}")


def remembering(run: Recorder, query: str) -> None:
    """Every step of a loop holds what the function remembers of the user."""
    memory = f'the user "{session(query)}"\nlikes ferries'
    lines = run.llm("plan", f"Plan: {query}", "\n".join(f"Step {n} {query}" for n in range(3)))
    for line in lines.split("\n"):
        run.llm("step", f"You know: {memory}. Do: {line}")


def foresight_of(template: Template, trace: Trace) -> Foresight:
    return Foresight(template, trace.inputs)


def always(predicted: Predicted) -> bool:
    return True


def test_later_requests_that_repeat_it_are_exact_and_the_first_stays_the_originals() -> None:
    template = learned(with_session)
    replayed = replay(template, record(with_session, question(77)))
    assert replayed.exact == {("second", 0), ("last", 0)}
    assert replayed.missed == {("first", 0)}
    assert not replayed.false


def test_what_stands_in_the_first_request_of_a_loop_makes_all_that_follow() -> None:
    replayed = replay(learned(remembering), record(remembering, question(77)))
    assert replayed.missed == {("step", 0)}
    assert replayed.exact == {("plan", 0), ("step", 1), ("step", 2)}


def test_nothing_is_predicted_of_it_before_the_original_has_asked() -> None:
    trace = record(with_session, question(77))
    foresight = foresight_of(learned(with_session), trace)
    assert foresight.ready(always) == []
    first, second, last = trace.calls
    asked = foresight.asked("first", (), first.request)
    assert [each.request for each in foresight.ready(always)] == [second.request]
    foresight.answered(asked, first.result, own=True)
    assert [each.request for each in foresight.ready(always)] == [last.request]


def test_a_request_unlike_those_that_were_seen_says_nothing() -> None:
    trace = record(with_session, question(77))
    foresight = foresight_of(learned(with_session), trace)
    foresight.asked("first", (), trace.calls[0].request.replace("Session ", "Conversation "))
    assert foresight.ready(always) == []


def test_it_gains_what_was_asked_ahead_from_the_moment_of_the_first_request() -> None:
    replayed = replay(learned(with_session), record(with_session, question(77)))
    # The second goes with the first; the last needs the first's answer.
    assert 0.199 < replayed.after < 0.21
    assert abs(replayed.before - 0.3) < 1e-9


def test_it_is_kept_on_disk() -> None:
    template = template_from_json(template_to_json(learned(with_session)))
    values = template.site(asked_site("first"))
    assert values is not None
    assert values.status is Status.HELPER
    assert ("second", 0) in replay(template, record(with_session, question(77))).exact


def test_it_is_described_by_the_site_whose_requests_hold_it() -> None:
    lines = describe(learned(with_session)).splitlines()
    assert "site 2: what comes from nothing known at site 1" in lines
    assert any(
        "Session {item of site 2 [0].text}. List effects of: {query}" in line for line in lines
    )


def test_a_hole_that_nothing_repeats_leaves_the_template_as_it_is() -> None:
    def once(run: Recorder, query: str) -> None:
        run.llm("plain", f"Say: {query}")
        run.llm("dated", f"At {session(query)}, say: {query}")

    template = induce([record(once, question(number)) for number in range(4)])
    assert [each.site for each in template.sites] == ["plain", "dated"]
