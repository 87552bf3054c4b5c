"""FastAPI: answers whole, and as a stream."""

import os
from collections.abc import Iterator

import book  # type: ignore[import-not-found]
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse

engine = book.engine()
streaming = book.engine(response_mode="tree_summarize", streaming=True)
app = FastAPI()


@app.get("/worker")
def worker() -> int:
    return os.getpid()


@app.get("/ask")
def ask(question: str) -> dict[str, str]:
    return {"answer": str(engine.query(question))}


@app.get("/aask")
async def aask(question: str) -> dict[str, str]:
    return {"answer": str(await engine.aquery(question))}


@app.get("/stream")
def stream(question: str) -> Response:
    def events() -> Iterator[str]:
        for text in streaming.query(question).response_gen:
            yield f"data: {text}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")
