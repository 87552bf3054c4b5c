from tests.bindings.plain_http.harness import world
from tests.fixtures_stub import stub_openai

__all__ = ["stub_openai", "world"]
