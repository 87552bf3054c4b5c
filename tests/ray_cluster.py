"""A Ray cluster of several nodes on this machine, on the loopback alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ayo_bridge.engines.shared.ray_reach import NAMESPACE


class Nodes:
    """The nodes of a cluster. This process has joined it, at a node that is not killed."""

    def __init__(self, made: Any) -> None:
        self._made = made

    @property
    def address(self) -> str:
        """Where others join it."""
        return str(self._made.address)

    def add(self, **resources: float) -> Any:
        """One more node, with such resources."""
        return self._made.add_node(num_cpus=1, resources=resources, **_LOCAL)

    def kill(self, node: Any) -> None:
        """Kill a node with all that runs on it."""
        self._made.remove_node(node, allow_graceful=False)


# Ray takes 127.0.0.1 for this machine's address in its network.
_LOCAL = {"node_ip_address": "127.0.0.2", "include_dashboard": False}


@contextmanager
def cluster(cpus: int = 4) -> Iterator[Nodes]:
    """A cluster of one node."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    logging.getLogger("ray").setLevel(logging.CRITICAL)  # Else it tells of all that is killed.
    noticed = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300}
    head = {"num_cpus": cpus, "_system_config": noticed, **_LOCAL}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        ray.init(made.address, log_to_driver=False, configure_logging=False, namespace=NAMESPACE)
        yield Nodes(made)
    finally:
        ray.shutdown()
        made.shutdown()  # type: ignore[no-untyped-call]


def end_actors() -> int:
    """End all actors that hold engines; how many there were."""
    import ray

    named = ray.util.list_named_actors(all_namespaces=True)
    found = [ray.get_actor(**each) for each in named if each["namespace"] == NAMESPACE]
    for each in found:
        ray.kill(each)
    return len(found)
