"""In: the sockets of running processes. Out: what all of them do at the moment, for a terminal."""

from ayo_bridge.top.asking import ask_all
from ayo_bridge.top.frame import NOBODY, drawn
from ayo_bridge.top.sums import Process, Sums, sums

__all__ = ["NOBODY", "Process", "Sums", "ask_all", "drawn", "sums"]
