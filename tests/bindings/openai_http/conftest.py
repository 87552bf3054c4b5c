from tests.bindings.openai_http.harness import bound, server, world
from tests.bindings.openai_http.two_replicas import make
from tests.fixtures_stub import stub_openai, stub_process

__all__ = ["bound", "make", "server", "stub_openai", "stub_process", "world"]
