"""Whose server it is: what a learned template asks in vain of somebody else's may cost money."""

from __future__ import annotations

import ipaddress
import os
from functools import lru_cache
from typing import Final

VARIABLE: Final = "AYO_LEARN_REMOTE"
_LOCAL: Final = (".local", ".localhost", ".internal", ".lan", ".intranet", ".home.arpa", ".svc")


@lru_cache(maxsize=256)
def is_remote(server: str) -> bool:
    """Whether ``host:port`` is a server of others, for all that its name says.

    Private and loopback addresses, names without a dot (of a container, a machine) and those of
    private zones are one's own.
    """
    host = server.rpartition(":")[0].strip("[]").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.removesuffix(".cluster.local").removesuffix(".")
        return "." in name and not name.endswith(_LOCAL)
    return address.is_global


def wanted() -> bool:
    """Whether learned templates may also ask servers of others ahead: ``AYO_LEARN_REMOTE=1``."""
    return os.environ.get(VARIABLE, "") not in ("", "0")
