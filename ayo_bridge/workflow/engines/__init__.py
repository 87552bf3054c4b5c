"""In: a server, a model, a database, a function. Out: an engine that takes the handlers' requests.

``app.register(ServedLLM("llm", url, model))`` is all that an app needs of it. Libraries load where
they are used; database connections are made by a function of the user's.
"""

from ayo_bridge.engines.shared.made import MadeEngine
from ayo_bridge.workflow.engines.llm_server import LLMServerError, ServedLLM
from ayo_bridge.workflow.engines.memory_store import MemoryStore
from ayo_bridge.workflow.engines.models import CrossEncoderReranker, Embedder
from ayo_bridge.workflow.engines.pgvector_store import PgVectorStore
from ayo_bridge.workflow.engines.tools import JsonApi, JsonApiError, Tool
from ayo_bridge.workflow.engines.vllm_llm import VllmEngine

__all__ = [
    "CrossEncoderReranker",
    "Embedder",
    "JsonApi",
    "JsonApiError",
    "LLMServerError",
    "MadeEngine",
    "MemoryStore",
    "PgVectorStore",
    "ServedLLM",
    "Tool",
    "VllmEngine",
]
