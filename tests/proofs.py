"""Proofs of servers, for tests that want them before their first call."""

from ayo_bridge.bindings import openai_sdk
from ayo_bridge.runtime import Runtime
from tests.deadline import eventually


def prove(runtime: Runtime) -> None:
    """Have the servers probed whose clients wait for a first reply, as if they had had it."""
    for client in tuple(openai_sdk._waiting):
        openai_sdk.note_answered(client)
    eventually(lambda: bool(runtime.can_stream()), "the proof of the server")
