"""What ``accelerate`` costs by itself: ``python -m benchmarks.accelerate_cost``.

For each framework, in a process of its own: the modules that the first ``accelerate`` imports and
the application had not, the CPU time of the first, and of each of the next thousand on objects that
were made before. No engine is called. The slowest one is that in which all garbage was collected.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import typer
from rich.console import Console
from rich.table import Table

OBJECTS = 1000
EACH = 0.005
"""At most so many seconds of CPU for every object but the first."""
_URL = "http://127.0.0.1:9/v1"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one framework; seconds of CPU."""

    importing: float
    first: float
    each: float
    slowest: float
    imported: tuple[str, ...]


def _langchain() -> Callable[[], object]:
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    model = ChatOpenAI(model="m", base_url=_URL, api_key=SecretStr("none"))
    prompt = ChatPromptTemplate.from_template("Say {what}")
    return lambda: prompt | model | StrOutputParser()


def _llama_index() -> Callable[[], object]:
    from llama_index.core import Document, MockEmbedding, VectorStoreIndex
    from llama_index.llms.openai_like import OpenAILike

    model = OpenAILike(model="m", api_base=_URL, api_key="none")
    documents = [Document(text="The tide runs two knots on the ebb.")]
    index = VectorStoreIndex.from_documents(documents, embed_model=MockEmbedding(8))
    return lambda: index.as_query_engine(llm=model)


FRAMEWORKS = {"LangChain": _langchain, "LlamaIndex": _llama_index}


def measured(framework: str) -> Cost:
    """Accelerate so many objects in this process, which has done nothing before."""
    make = FRAMEWORKS[framework]()
    objects = [make() for _ in range(OBJECTS + 1)]
    start = time.process_time()
    from ayo_bridge import accelerate

    importing = time.process_time() - start
    before = set(sys.modules)
    seconds = []
    kept = []
    for obj in objects:
        start = time.process_time()
        kept.append(accelerate(obj))
        seconds.append(time.process_time() - start)
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
    imported = sorted(
        new - set(sys.stdlib_module_names) - {name.partition(".")[0] for name in before}
    )
    first, *rest = seconds
    return Cost(importing, first, statistics.mean(rest), max(rest), tuple(imported))


def _in_a_process(framework: str) -> Cost:
    command = [sys.executable, "-m", "benchmarks.accelerate_cost", framework]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Cost(**json.loads(printed.splitlines()[-1]))


def main(framework: str = typer.Argument("")) -> None:
    """Print the cost for both frameworks, or that of one as JSON."""
    if framework:
        print(json.dumps(asdict(measured(framework))))
        return
    table = Table("", "import", "first", f"each of {OBJECTS:,}", "slowest", "packages imported")
    costs = {name: _in_a_process(name) for name in FRAMEWORKS}
    for name, cost in costs.items():
        times = (cost.importing, cost.first, cost.each, cost.slowest)
        row = [f"{1e3 * seconds:.2f} ms" for seconds in times]
        table.add_row(name, *row, ", ".join(cost.imported) or "none")
    Console().print(table)
    missed = [name for name, cost in costs.items() if cost.each > EACH]
    if missed:
        print(f"more than {1e3 * EACH:g} ms each: {', '.join(missed)}")
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
