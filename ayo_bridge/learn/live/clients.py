"""By whom one call may ask ahead: nothing leaves under a name that this call has not used itself.

All calls so far may have been one tenant's, and this one another's, whose client has still to be
looked up; and one call may serve several tenants, each in a task or job of its own.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from ayo_bridge.learn.certain.running import Certain
from ayo_bridge.learn.live.named import Named
from ayo_bridge.learn.live.owners import Owners, Way, way_of
from ayo_bridge.learn.predict import Predicted
from ayo_bridge.learn.visits import Branch
from ayo_bridge.seam import BoundaryCall, Fields


class _Beside(enum.Enum):
    OTHERS = enum.auto()


OTHERS: Final = _Beside.OTHERS
"""Among what a call always uses: it may choose or make further clients by itself."""


class Clients:
    """The clients and stores of one call. Not thread-safe.

    Args:
        owners: by whom the calls of each site were made so far.
        given: the ids of the objects among the call's arguments.
        named: headers and users that the call has named.
        spread: sites to which several tasks or jobs of one call have come.
        by_branch: sites that each task or job visits once: its number is that of the visit.
    """

    def __init__(
        self,
        owners: Owners,
        given: frozenset[int],
        named: Named,
        spread: frozenset[str] = frozenset(),
        by_branch: frozenset[str] = frozenset(),
    ) -> None:
        self._owners = owners
        self._given = given
        self._named = named
        self._spread = spread
        self._by_branch = by_branch
        self._always: set[int] = set()
        self._certain: defaultdict[int, list[Certain]] = defaultdict(list)
        self._met: set[int] = set()
        self._met_in: defaultdict[int, set[int]] = defaultdict(set)
        """By the number of the task or job."""
        self._used: dict[str, Way] = {}
        """How this very call has made its calls at each site."""
        self._holding: list[object] = []
        """The owners: alive, and their ids theirs, for as long as this call may use them."""
        self._several = False

    def always(self, owners: Iterable[object]) -> None:
        """Whatever it is given, the call uses these, in all of its tasks and jobs.

        With :data:`OTHERS` among them they count as used by now, in no particular task. What a
        function certainly uses counts at the sites that its own calls lead to.
        """
        held = list(owners)
        self._holding += held
        certain = set[int]()
        for owner in held:
            if isinstance(owner, Certain):
                self._certain[id(owner.owner)].append(owner)
            else:
                certain.add(id(owner))
        if id(OTHERS) in certain:
            self._met |= certain
        else:
            self._always |= certain

    def used(self, site: str, branch: Branch, call: BoundaryCall, fields: Fields) -> None:
        """The original makes a call."""
        self._named.used(call.named, fields)
        way = way_of(call)
        if way is None:
            return
        owner = id(call.owner)
        if owner not in self._met:
            self._met.add(owner)
            self._holding.append(call.owner)
        if branch:
            self._met_in[branch[-1]].add(owner)
        before = self._used.get(site)
        if before is not None and call.kind != "search" and before.owner() is not call.owner:
            self._several = self._several or way.somebodys
            self._certain.clear()
            if id(before.owner()) in self._always and owner not in self._always:
                self._always.clear()  # What it uses has been changed since it began.
        self._used[site] = way

    def way(self, site: str, visit: int | None = None) -> Way | None:
        """How calls of a site are made in this call; ``None``: not known so far.

        A client counts once this very call has used it, at whatever site, and so do headers; where
        several tasks or jobs come to the site, once that of this visit has. Nothing counts any more
        in a call in which one site was asked by two clients, nor at a site where one call has named
        several headers.
        """
        if self._owners.names_several(site):
            return None
        way = self._used.get(site)
        if way is None:
            way = self._owners.shared(site, self._given)
            if way is None or not self._named.may(way.named):
                return None
        if not way.somebodys:
            return way
        owner = id(way.owner())
        if owner in self._always or self._is_certain(owner, site):
            return way
        if self._several:
            return None
        if site not in self._spread:
            return way if site in self._used or owner in self._met else None
        known = visit is not None and site in self._by_branch and owner in self._met_in[visit]
        return way if known else None

    def _is_certain(self, owner: int, site: str) -> bool:
        """Whether every run asks by an owner at a site, if it comes there.

        Of a composed object that is known where one task or job asks by one client.
        """
        apart = self._several or site in self._spread
        return any(
            (each.plain or not apart) and each.leads_to(self._owners.calls(site))
            for each in self._certain.get(owner, ())
        )

    def may_ask(self, each: Predicted) -> bool:
        """Whether a predicted request can be made now, as far as its client is concerned."""
        return self.way(each.site, each.visit) is not None and self._named.may_ask(each.request)

    def forget(self) -> None:
        """The call has ended: let go of the user's objects."""
        self._holding.clear()
        self._used.clear()
