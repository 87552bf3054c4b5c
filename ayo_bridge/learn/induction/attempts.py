"""Looking for one program that makes all the requests of a class of visits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, islice

from ayo_bridge.learn.evidence import Case, View, makes
from ayo_bridge.learn.induction.align import Row, row_of, unify
from ayo_bridge.learn.induction.joins import fold
from ayo_bridge.learn.induction.ranking import best_alone, coherent
from ayo_bridge.learn.induction.turning import turn
from ayo_bridge.learn.induction.witness import with_constants
from ayo_bridge.learn.learned_site import Selector
from ayo_bridge.learn.program import Hole, Program

_SAMPLE = 5
_ROUNDS = 5
_PROPOSALS = 8
_MANY = 24
_HOPE = 3
"""Pairs of cases that all leave holes, after which more are not tried."""


class Attempt:
    """Proposes programs from some of the cases and accepts one that makes all of them.

    Args:
        cases: the requests of the class.
        selector: which visits these are: positions may follow the visit where there are several.
        rich: with values in all forms.
        helpers: with the values of helpers.
        deadline: says when to stop.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        selector: Selector,
        rich: bool,
        helpers: bool,
        deadline: Callable[[], bool],
    ) -> None:
        self.cases, self.deadline = cases, deadline
        self.selector, self.rich = selector, rich
        self.views = [View(case, case.where(selector), rich, helpers) for case in cases]
        self._rows: dict[tuple[int, bool], Row] = {}

    def program(self) -> tuple[Program, bool]:
        """The best program, and whether it makes all the requests."""
        sample = self._sample()
        first: Program | None = None
        for _ in range(_ROUNDS):
            program = self._unify(sample, entire=True)
            first = first or program
            if program.holes:
                break
            if (accepted := self._accepted(program, sample)) is not None:
                return accepted, True
            wrong = self._wrong(program)
            if wrong is None or wrong in sample or self.deadline():
                break
            sample = [*sample, wrong]
        for some, proposed in self._proposals(sample):
            if self.deadline():
                break
            if not proposed.holes and (accepted := self._accepted(proposed, some)) is not None:
                return accepted, True
        assert first is not None
        if not first.holes:
            first = Program((*first.parts, Hole("no one program makes all the requests")))
        return first, False

    def _accepted(self, program: Program, some: list[int]) -> Program | None:
        """The program, or one of its variants, if it makes all the requests."""
        cases = [self.cases[i] for i in some]
        for proposed in (program, turn(program)):
            if self._wrong(proposed) is None:
                return proposed
            plain = with_constants(proposed, cases, self.selector)
            if plain != proposed and self._wrong(plain) is None:
                return plain
        return None

    def _sample(self) -> list[int]:
        """A few cases, of different traces and at different visits."""
        groups = self._groups()
        picked = [
            group[(0, -1, len(group) // 2)[(turn + at) % 3]]
            for turn in range(3)
            for at, group in enumerate(groups)
        ]
        return list(dict.fromkeys(picked))[:_SAMPLE]

    def _groups(self) -> list[list[int]]:
        by_trace: dict[int, list[int]] = {}
        for i, case in enumerate(self.cases):
            by_trace.setdefault(id(case.whole), []).append(i)
        return list(by_trace.values())

    def _proposals(self, sample: list[int]) -> Iterator[tuple[list[int], Program]]:
        """Programs of other cases: they may differ from the rest in nothing but a rare form."""
        yield sample, self._unify(sample, folded=False)
        hopeless = True
        for number, some in enumerate(islice(self._subsets(), _PROPOSALS)):
            program = self._unify(some)
            hopeless = hopeless and bool(program.holes)
            yield some, program
            if hopeless and number == _HOPE:
                break
        if len(sample) < len(self.cases) <= _MANY and not self.rich:
            everything = list(range(len(self.cases)))  # tables need many cases
            yield everything, self._unify(everything)

    def _subsets(self) -> Iterator[list[int]]:
        groups = self._groups()
        longest = [max(group, key=lambda i: len(self.cases[i].request)) for group in groups]
        longest.sort(key=lambda i: -len(self.cases[i].request))
        yield longest[:2]  # they leave out nothing: no empty list, no text too short to be cut
        yield longest[:3]
        # Neighbours first, then the others: one odd trace is in few of the first pairs.
        pairs = sorted(
            combinations(range(len(groups)), 2), key=lambda pair: pair[0] % 2 + pair[1] - pair[0]
        )
        for a, b in pairs:
            yield [groups[a][0], groups[b][-1]]
        for a, b in pairs:
            if len(groups[a]) > 1 or len(groups[b]) > 1:
                yield [groups[a][-1], groups[b][0]]
        for group in groups:
            if len(group) > 1:
                yield group[:_SAMPLE]
        for a, b in pairs:
            yield (groups[a] + groups[b])[: 2 * _SAMPLE]

    def _unify(self, some: list[int], folded: bool = True, entire: bool = False) -> Program:
        program = unify([self._row(i, folded) for i in some], entire=entire)
        return coherent(program, self.cases[0].whole.helpers)

    def _row(self, i: int, folded: bool) -> Row:
        if (i, folded) not in self._rows:
            view = self.views[i]
            cover = self.cases[i].cover(view.rich, view.helpers)
            self._rows[i, folded] = row_of(view, fold(cover, view) if folded else cover)
        return self._rows[i, folded]

    def _wrong(self, program: Program) -> int | None:
        """The first case that the program, with its best sources alone, does not make."""
        program = best_alone(program)
        return next(
            (
                i
                for i, case in enumerate(self.cases)
                if not makes(program, case, self.views[i].where)
            ),
            None,
        )
