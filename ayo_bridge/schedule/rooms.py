"""The room ahead at all servers: one for those between which requests may be moved."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from ayo_bridge.schedule.server_load import ServerLoad

Together = Callable[[str], tuple[str, int]]
"""Of the servers to which a request may go that is made for one: the first, and how many there are.
"""


class Rooms:
    """The loads of servers. Thread-safe.

    Args:
        make: a load, for so many servers.
        together: by ``host:port``.
    """

    def __init__(self, make: Callable[[int], ServerLoad], together: Together) -> None:
        self._make = make
        self._together = together
        self._lock = threading.Lock()
        self._rooms: dict[str, ServerLoad] = {}
        self._found: dict[str, ServerLoad] = {}
        """Where each server that was asked for is."""

    def at(self, server: str) -> ServerLoad:
        """The load of ``host:port``, which it has together with its replicas."""
        load = self._found.get(server)
        if load is None:
            with self._lock:  # Else their number could change before it is there to be told.
                name, servers = self._together(server)
                if name not in self._rooms:
                    self._rooms[name] = self._make(servers)
                load = self._found[server] = self._rooms[name]
        return load

    def all(self) -> Mapping[str, ServerLoad]:
        """Each load once, by the first of its servers."""
        return dict(self._rooms)

    def changed(self) -> None:
        """Others belong together. Of rooms that become one, what is on its way ends where it is."""
        with self._lock:
            rooms: dict[str, tuple[ServerLoad, int]] = {}
            for name, load in self._rooms.items():
                first, servers = self._together(name)
                if first == name or first not in rooms:
                    rooms[first] = load, servers
            self._rooms = {first: load for first, (load, _) in rooms.items()}
            self._found = {}
        for load, servers in rooms.values():
            load.serves(servers)


__all__ = ["Rooms"]
