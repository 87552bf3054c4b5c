"""What came of verifying the calls of one object."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ayo_bridge.errors import AyoBridgeError


@dataclass(slots=True)
class Checks:
    """Counted by the one thread that verifies.

    ``verified`` calls were compared, ``again`` of them with the original run once more.
    ``mismatched`` differed. ``writes`` were not run once more, as that would have written twice.
    ``unsure`` could not be compared, ``dropped`` were left out as there was no time for them.
    """

    verified: int = 0
    again: int = 0
    mismatched: int = 0
    writes: int = 0
    unsure: int = 0
    dropped: int = 0
    alone: str = ""
    """Why the original is not run once more; empty if it is."""
    wrote: str = ""
    """What the last call that was not run once more would have done twice."""
    doubt: str = ""
    """Why the last call that could not be compared could not."""

    def note(self) -> str:
        """What there is to say, for ``explain``; empty if no call was drawn."""
        if not (self.verified or self.mismatched or self.writes or self.unsure or self.dropped):
            return ""
        said = [f"Verified: {self.verified} calls, {self.mismatched} of them differed"]
        if self.again:
            said.append(f"{self.again} by the original, run again on the same replies")
        if self.alone:
            said.append(f"only what was taken ahead is compared: {self.alone}")
        if self.writes:
            said.append(f"{self.writes} not verified by a second run: writes ({self.wrote})")
        if self.unsure:
            said.append(f"{self.unsure} could not be compared ({self.doubt})")
        if self.dropped:
            said.append(f"{self.dropped} left out as the process was busy")
        return "; ".join(said) + "."


def wanted_share(given: float | None) -> float:
    """The share of calls to verify: an argument, or the environment variable ``AYO_VERIFY``.

    Raises:
        AyoBridgeError: that is no number from 0 to 1.
    """
    said: object = os.environ.get("AYO_VERIFY", "").strip() or 0 if given is None else given
    try:
        share = float(said)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        share = -1.0
    if not 0 <= share <= 1:
        raise AyoBridgeError(
            f"verify (or AYO_VERIFY) is to be a share of calls from 0 to 1, not {said!r}"
        )
    return share
