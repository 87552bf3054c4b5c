from tests.fixtures_stub import stub_openai

__all__ = ["stub_openai"]
