"""What the doctor finds: plain data, frozen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    """Something is left alone or cannot be seen; nothing is wrong."""
    PROBLEM = "problem"


class Area(StrEnum):
    """What a finding is about, in the order in which findings are shown."""

    LIBRARIES = "libraries"
    BINDINGS = "bindings"
    SERVERS = "servers"
    PROXIES = "proxies"
    ON_DISK = "profiles and templates"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding in words.

    ``what`` is what was found, in one sentence without a full stop; ``advice`` is what to change,
    empty where there is nothing. Neither ever holds a credential.
    """

    area: Area
    level: Level
    what: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, by area."""

    checks: tuple[Check, ...]

    @property
    def problems(self) -> tuple[Check, ...]:
        """Those that keep something from working."""
        return tuple(check for check in self.checks if check.level is Level.PROBLEM)
