"""What is kept on disk is the template, less what could be one user's own text."""

from __future__ import annotations

import json

import pytest

from ayo_bridge.learn.disk.storage import template_from_json, template_to_json
from ayo_bridge.learn.learned_site import Status
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.template import Template
from tests.learn.apps import App, Recorder, learned, question, record, words
from tests.learn.test_lists import (
    a_table,
    a_visit_a_line,
    branch_taken,
    chunks_of_three,
    growing_history,
    union_of_searches,
)


def kept(template: Template) -> Template:
    return template_from_json(json.loads(json.dumps(template_to_json(template))))


@pytest.mark.parametrize(
    "app",
    [a_table, a_visit_a_line, branch_taken, chunks_of_three, growing_history, union_of_searches],
)
def test_a_template_is_the_same_after_a_round_trip_through_json_text(app: App) -> None:
    template = learned(app, 8)
    assert kept(template) == template


def test_a_class_with_text_of_few_inputs_is_not_kept_and_its_site_says_so() -> None:
    def stores(r: Recorder, query: str) -> None:
        kinds = ["alpha"] * 3 + ["beta" if query == question(0) else "alpha"] * 3
        said = [{"q": words(f"{query}{i}"), "kind": kind} for i, kind in enumerate(kinds)]
        r.llm("a", f"Plan: {query}", json.dumps(said))
        for each in said:
            r.llm("b", f"Ask {'secret-1' if each['kind'] == 'beta' else 'st-2'}: {each['q']}")

    template = learned(stores, 5)
    assert "secret" in str(template)
    assert "secret" not in json.dumps(template_to_json(template))
    assert (site := kept(template).site("b")) is not None
    assert site.status is Status.UNSETTLED
    assert not site.predicts
    assert not replay(kept(template), record(stores, question(9))).false


@pytest.mark.parametrize(
    "bad", [None, [], {}, {"format": 0}, {"format": 1}, {"format": 1, "sites": [{}]}]
)
def test_what_is_no_template_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="no learned template"):
        template_from_json(bad)  # type: ignore[arg-type]
