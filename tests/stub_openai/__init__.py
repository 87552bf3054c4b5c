"""A stub of an OpenAI-compatible server in vLLM's dialect: exact, scripted, and light on the CPU.

Standard library only. It serves any number of connections from one thread, so that a test of
throughput measures the client. ``python -m tests.stub_openai`` runs one as a process of its own.

Its answers are made from a hash of the request, so every part of a prompt matters. A call takes
``latency`` seconds whatever else is going on; a streamed one sends its first token after that and
then one every ``token_interval`` seconds. ``faults`` has plans by which it fails.
"""

from tests.stub_openai.process import StubProcess
from tests.stub_openai.replies import hashed_text, tokens_of
from tests.stub_openai.requests import Body, Cut, Script, StubRequest
from tests.stub_openai.server import StubOpenAI

__all__ = [
    "Body",
    "Cut",
    "Script",
    "StubOpenAI",
    "StubProcess",
    "StubRequest",
    "hashed_text",
    "tokens_of",
]
