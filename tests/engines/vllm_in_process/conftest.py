import sys
from collections.abc import Iterator

import pytest

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.bindings.vllm_in_process import BINDINGS
from tests.engines.vllm_in_process import fake


@pytest.fixture
def llm(monkeypatch: pytest.MonkeyPatch) -> Iterator[fake.LLM]:
    """A fake LLM whose calls are followed as those of vLLM are."""
    for name, module in fake.MODULES.items():
        monkeypatch.setitem(sys.modules, name, module)
    targets = []
    for target in BINDINGS[0].targets:
        cls, _, method = target.attribute.partition(".")
        if hasattr(getattr(fake, cls), method):
            targets.append(Target(fake.__name__, target.attribute, target.wrapper))
    binding = Binding("fake", "wrapt", ("1.0", "99.0"), tuple(targets))
    assert binding.install()
    yield fake.LLM()
    binding.uninstall()
