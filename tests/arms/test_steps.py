"""Who waits for whom in the baselines."""

from __future__ import annotations

import pytest

from benchmarks.apps.arms.steps import Step, steps
from benchmarks.apps.modules import Chain, Module


def made(*, name: str = "advanced") -> Chain:
    def nothing(*values: object) -> None:
        return None

    return Chain(
        name,
        ("question", "document"),
        (
            Module("index", nothing, ("document",)),
            Module("expand", nothing, ("question",)),
            Module("search", nothing, ("index", "expand")),
            Module("answer", nothing, ("question", "search")),
        ),
    )


def test_modules_follow_one_another_in_the_order_of_the_program() -> None:
    assert steps(made(), beside=False) == (
        Step(("index",), ("document",), ("index",), (), ()),
        Step(("expand",), ("question",), ("expand",), (), (0,)),
        Step(("search",), (), ("search",), (0, 1), ()),
        Step(("answer",), ("question",), ("answer",), (2,), ()),
    )


def test_by_hand_only_what_is_needed_is_waited_for() -> None:
    found = steps(made(), beside=True)
    assert [each.needs for each in found] == [(), (), (0, 1), (2,)]
    assert not any(each.after for each in found)


def test_an_agent_waits_for_all_that_its_modules_need_and_tells_what_others_need() -> None:
    found = steps(made(), (("index",), ("expand", "search"), ("answer",)), beside=True)
    assert found[1] == Step(("expand", "search"), ("question",), ("search",), (0,), ())


def test_groups_are_all_modules_in_their_order() -> None:
    for groups in ((("index",),), (("expand", "index"), ("search", "answer"))):
        with pytest.raises(ValueError, match="not its modules in their order"):
            steps(made(), groups, beside=True)
