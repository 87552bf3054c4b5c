"""An engine is used in a process, and then in its children: `children.py URL [METHOD...]`.

They are forked, also in a call and while threads ask, or made by METHODs of multiprocessing.
"""

import asyncio
import faulthandler
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import book  # type: ignore[import-not-found]
from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.base_handler import BaseCallbackHandler

url = sys.argv[1]
engine = book.engine(url)


def ask(question: str) -> str:
    return str(engine.query(question))


def ask_in_a_loop(question: str) -> str:
    return asyncio.run(aask(question))


async def aask(question: str) -> str:
    return str(await engine.aquery(question))


def forked(work: Callable[[], str]) -> str:
    """What a forked child says; one that hangs is ended, and says where."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        faulthandler.dump_traceback_later(20, exit=True)
        try:
            os.write(writing, work().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as said:
        answer = said.read()
    os.waitpid(child, 0)
    return answer


class Forking(BaseCallbackHandler):
    """Forks when the model is about to be asked for the first time."""

    def __init__(self) -> None:
        super().__init__([], [])
        self.said: str | None = None

    def on_event_start(self, event_type: Any, *args: Any, **kwargs: Any) -> str:
        if event_type == "llm" and self.said is None:
            self.said = forked(lambda: ask("eight"))
        return ""

    def on_event_end(self, *args: Any, **kwargs: Any) -> None:
        pass

    def start_trace(self, trace_id: str | None = None) -> None:
        pass

    def end_trace(self, *args: Any, **kwargs: Any) -> None:
        pass


def while_threads_ask() -> list[str]:
    """What children say that are forked meanwhile; each thread has clients of its own."""
    over = threading.Event()

    def busy() -> None:
        other = book.engine(url)
        while not over.is_set():
            other.query("busy")

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        return [forked(lambda: ask("nine")) for _ in range(10)]
    finally:
        over.set()
        for thread in threads:
            thread.join()


def main() -> None:
    print("parent:", ask("one"))
    print("fork:", forked(lambda: ask("two")))
    print("a loop in a fork:", forked(lambda: ask_in_a_loop("three")))
    for method in sys.argv[2:]:
        with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
            print(f"{method}:", pool.submit(ask, "four").result(60))
            print(f"{method}, a loop:", pool.submit(ask_in_a_loop, "five").result(60))
    print("parent:", ask("six"))
    print("parent, a loop:", ask_in_a_loop("seven"))
    handler = Forking()
    print("around a fork:", book.engine(url, CallbackManager([handler])).query("eight"))
    print("in a call:", handler.said)
    print("while threads ask:", *while_threads_ask(), sep="\n")


if __name__ == "__main__":
    main()
