"""Which of the frameworks' own tests are run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one distribution.

    Args:
        part: what says most about running ahead; run if not the whole is asked for.
        left_out: tests that cannot hold under the plugin, by their ids, each with its reason.
    """

    distribution: str
    part: tuple[str, ...]
    whole: tuple[str, ...] = ("tests/unit_tests",)
    left_out: Mapping[str, str] = field(default_factory=dict)


def _under(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


SUITES: Final = (
    Suite(
        "langchain-core",
        _under(
            "tests/unit_tests",
            *("runnables", "callbacks", "tracers", "language_models", "output_parsers"),
            *("prompts", "vectorstores", "test_retrievers.py", "test_tools.py"),
        ),
        left_out={
            "tests/unit_tests/runnables/test_utils.py::test_nonlocals": (
                "it compares bound methods that it looks up itself with others"
            )
        },
    ),
    Suite(
        "langchain-classic",
        _under(
            "tests/unit_tests",
            *("agents", "callbacks", "chains", "chat_models", "memory", "retrievers"),
            *("runnables", "smith", "tools"),
        ),
    ),
    Suite(
        "langgraph",
        _under("tests", "test_pregel.py", "test_interruption.py", "test_state.py"),
        ("tests",),
    ),
)
"""A distribution that is not locked is passed over."""
