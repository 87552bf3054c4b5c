"""Fixtures of the fault tests: the same leak checks as for hazards."""

from tests.hazards.conftest import (  # noqa: F401
    _leaves_no_garbage,
    _leaves_nothing,
    _settings,
    default,
    env,
    hazard_stub,
    runtime,
    stub,
)
