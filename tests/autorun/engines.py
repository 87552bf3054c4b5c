"""What the applications' server answers: words by the request, in the form that some ask for."""

import json

from tests.stub_openai import Body, StubOpenAI, hashed_text

_TOOLS = ("history", "economy", "history", "economy")


def answer(body: Body) -> str:
    """Four sub-questions, yes or no, or words."""
    asked, words = str(body.get("messages")), hashed_text(body)
    if "output a list of relevant sub-questions" in asked:
        items = [
            {"sub_question": f"What of the {tool} by {word}?", "tool_name": tool}
            for tool, word in zip(_TOOLS, words.split(), strict=False)
        ]
        return f"```json\n{json.dumps({'items': items})}\n```"
    if "Say yes or no" in asked:
        return "yes" if words < "f" else "no"
    return words


def server(latency: float, embedding: float | None = None, *, slower: float = 1.0) -> StubOpenAI:
    """A stub that answers so; a call takes `latency` seconds, an embedding `embedding`."""
    stub = StubOpenAI(latency=latency, slower=slower)
    stub.text = answer
    if embedding is not None:
        stub.reply_when(lambda request: request.path.endswith("embeddings"), latency=embedding)
    return stub
