"""What ``python -m examples.apps.run`` can be told."""

from pathlib import Path
from typing import Annotated

import typer

from examples.apps import APPS
from examples.apps.texts import SUBJECTS

Name = Annotated[str, typer.Argument(help=f"One of {', '.join(APPS)}.")]
Simulate = Annotated[bool, typer.Option(help="Virtual time, the paper's costs.")]
Plain = Annotated[bool, typer.Option(help="The unoptimised script.")]
SideBySide = Annotated[bool, typer.Option(help="Both scripts and their graphs.")]
Stream = Annotated[bool, typer.Option(help="Print the answer as it is written.")]
LlmUrl = Annotated[
    str | None, typer.Option(help="An OpenAI-compatible server, e.g. http://host:8000/v1.")
]
Model = Annotated[str | None, typer.Option(help="The model, of the server or to serve.")]
Chat = Annotated[bool, typer.Option(help="Send prompts as messages.")]
Embedding = Annotated[
    str | None, typer.Option(help="An embedding model, all-MiniLM-L6-v2 by default.")
]
Reranker = Annotated[str | None, typer.Option(help="A cross-encoder, an untrained one by default.")]
Forms = Annotated[
    bool, typer.Option(help="Hold answers to their forms (vLLM's structured outputs).")
]
Profiles = Annotated[bool, typer.Option(help="Measure the engines first.")]
Store = Annotated[str, typer.Option(help="memory, postgres, or a database's URL.")]
Question = Annotated[str | None, typer.Option(help="A question of your own.")]
Queries = Annotated[
    int, typer.Option(min=1, max=len(SUBJECTS), help="Built-in questions, asked at once.")
]
Chunks = Annotated[int | None, typer.Option(min=1, help="Chunks of a query's text.")]
AnswerTokens = Annotated[int | None, typer.Option(min=1, help="Tokens of an answer.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds for a query.")]
Mermaid = Annotated[bool, typer.Option(help="Draw graphs as Mermaid flowcharts.")]
Html = Annotated[Path | None, typer.Option(help="File for a page with the graphs.")]
Tiny = Annotated[bool, typer.Option(help="Start vLLM with a tiny model.")]
