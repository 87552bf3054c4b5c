"""Objects that ask engines, as an adapter knows them: by which client a call of theirs asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Asking:
    """What a call of a method asks by.

    Args:
        owners: clients, models and stores; of a composed object those that it always uses.
        plain: whether it is one client, model or store itself: then nothing else is asked by the
            call, and nothing of the user's runs in it.
    """

    owners: Sequence[object]
    plain: bool


class Asked(Protocol):
    """Knows objects that ask engines."""

    def __call__(self, obj: Any, steps: Sequence[str], awaited: bool, /) -> Asking | None:
        """What calling ``obj.<steps>()`` asks by; ``None``: it is not known to ask. Runs nothing.

        Args:
            awaited: whether what it returns is awaited at once.
        """
