"""In: an installation and its surroundings. Out: a report of what works, what not, and why."""

from __future__ import annotations

from collections.abc import Sequence

from ayo_bridge.doctor.bound import check_bindings
from ayo_bridge.doctor.checks import Report
from ayo_bridge.doctor.conflicts import check_conflicts
from ayo_bridge.doctor.libraries import check_libraries
from ayo_bridge.doctor.on_disk import check_on_disk
from ayo_bridge.doctor.proxies import check_proxies
from ayo_bridge.doctor.servers import check_servers, known_servers
from ayo_bridge.doctor.settings import check_settings


def examine(servers: Sequence[str] = ()) -> Report:
    """Look at everything, change nothing; imports no framework and no engine library.

    Args:
        servers: base URLs of LLM servers to ask; those that are known here, if none is named.
    """
    return Report(
        (
            *check_libraries(),
            *check_conflicts(),
            *check_bindings(),
            *check_servers(servers or known_servers()),
            *check_proxies(),
            *check_on_disk(),
            *check_settings(),
        )
    )
