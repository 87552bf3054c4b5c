"""The bindings of all engines that no framework owns."""

from __future__ import annotations

from ayo_bridge.bindings.openai_http import BINDINGS as OVER_HTTPX
from ayo_bridge.bindings.openai_sdk import OPENAI
from ayo_bridge.bindings.plain_http import BINDINGS as OVER_OTHERS
from ayo_bridge.bindings.sentence_transformer import BINDINGS as MODELS
from ayo_bridge.bindings.vllm_in_process import BINDINGS as VLLM

BINDINGS = (*OVER_HTTPX, *OVER_OTHERS, OPENAI, *MODELS, *VLLM)
