from tests.bindings.openai_http.harness import bound, server, world
from tests.fixtures_stub import stub_openai, stub_process

__all__ = ["bound", "server", "stub_openai", "stub_process", "world"]
