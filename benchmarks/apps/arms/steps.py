"""Who waits for whom: an app's modules as the steps of a query, by the system that runs them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain as joined

from benchmarks.apps.modules import Chain, Module

Groups = Sequence[Sequence[str]]
"""Modules that one actor holds, in their order."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one actor does for a query.

    Args:
        modules: runs them in this order.
        inputs: what it takes of the query.
        gives: of what its modules make, what others need.
        needs: steps before it, by number, whose values it takes.
        after: steps before it that only have to have ended.
    """

    modules: tuple[str, ...]
    inputs: tuple[str, ...]
    gives: tuple[str, ...]
    needs: tuple[int, ...]
    after: tuple[int, ...]


def steps(chain: Chain, groups: Groups = (), *, beside: bool) -> tuple[Step, ...]:
    """The steps of a program.

    Args:
        groups: of modules that one actor holds; by default each is alone.
        beside: what needs nothing of each other runs side by side; else in the program's order.

    Raises:
        ValueError: the groups are not all modules of the program in its order.
    """
    groups = groups or [[module.name] for module in chain.modules]
    if [*joined(*groups)] != [module.name for module in chain.modules]:
        raise ValueError(f"the groups of {chain.name} are not its modules in their order: {groups}")
    holder = {name: number for number, group in enumerate(groups) for name in group}
    answer = chain.modules[-1].name
    made: list[Step] = []
    for number, group in enumerate(groups):
        needed = _needed(chain[name] for name in group)
        others = [m for m in chain.modules if holder[m.name] != number]
        asked = {answer, *_needed(others)}
        needs = {holder[name] for name in needed if name in holder} - {number}
        before = () if beside else range(max(number - 1, 0), number)
        made.append(
            Step(
                tuple(group),
                tuple(name for name in chain.inputs if name in needed),
                tuple(name for name in group if name in asked),
                tuple(sorted(needs)),
                tuple(each for each in before if each not in needs),
            )
        )
    return tuple(made)


def _needed(modules: Iterable[Module]) -> set[str]:
    return {name for module in modules for name in module.needs}


__all__ = ["Groups", "Step", "steps"]
