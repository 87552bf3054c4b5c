"""In: the schedulers and profiled engines. Out: the same decisions, in virtual time."""

from ayo_bridge.simulate.clock import VirtualClockLoop, run_virtual

__all__ = ["VirtualClockLoop", "run_virtual"]
