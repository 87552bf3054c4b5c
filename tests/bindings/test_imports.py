"""What ayo-bridge imports by itself: nothing that the application has not imported."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

HEAVY = frozenset(
    {
        *("torch", "transformers", "sentence_transformers", "sqlalchemy", "scipy", "pandas"),
        *("sklearn", "numpy", "httpx", "httpx2", "openai", "pydantic", "rich", "typer"),
        *("langchain_classic", "langchain_openai", "langchain_huggingface", "asyncpg", "psycopg"),
    }
)
LANGCHAIN = """
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
llm = ChatOpenAI(model="m", base_url="http://127.0.0.1:9/v1", api_key="k")
obj = ChatPromptTemplate.from_template("Say {what}") | llm | StrOutputParser()
"""
LLAMA_INDEX = """
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.llms.openai_like import OpenAILike
llm = OpenAILike(model="m", api_base="http://127.0.0.1:9/v1", api_key="k")
index = VectorStoreIndex.from_documents([Document(text="x")], embed_model=MockEmbedding(8))
obj = index.as_query_engine(llm=llm)
"""
PROCESS = """
import json, sys
{application}
before = {{name.partition(".")[0] for name in sys.modules}}
from ayo_bridge import accelerate
from ayo_bridge.bindings.sentence_transformer import BINDINGS
fast = accelerate(obj)
after = {{name.partition(".")[0] for name in sys.modules}}
accelerated = type(fast) is not type(obj)
print(json.dumps([sorted(after - before), BINDINGS[0].status, accelerated]))
"""


def run(code: str) -> Any:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_importing_ayo_bridge_imports_nothing_heavy() -> None:
    code = (
        "import json, sys\nfrom ayo_bridge import accelerate\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    assert set(run(code)).isdisjoint(HEAVY)


@pytest.mark.parametrize("application", [LANGCHAIN, LLAMA_INDEX], ids=["langchain", "llama-index"])
def test_accelerating_imports_nothing_heavy(application: str) -> None:
    imported, waiting, accelerated = run(PROCESS.format(application=application))
    assert accelerated
    assert set(imported).isdisjoint(HEAVY)
    assert waiting == "waits until sentence_transformers is imported"
