"""LlamaIndex: a workflow of steps on an event loop; one asks twice where it could ask at once."""

import asyncio
import sys
from typing import Any

from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step
from llama_index.llms.openai_like import OpenAILike


class Joke(Event):
    joke: str


class Critique(Event):
    joke: str
    critique: str


class JokeFlow(Workflow):
    def __init__(self, llm: OpenAILike) -> None:
        super().__init__(timeout=60)
        self.llm = llm

    @step
    async def tell(self, context: Context, event: StartEvent) -> Joke:
        await context.store.set("topic", event.topic)
        response = await self.llm.acomplete(f"Write your best joke about {event.topic}.")
        return Joke(joke=str(response))

    @step
    async def read_up(self, context: Context, event: Joke) -> Critique:
        topic = await context.store.get("topic")
        facts = await self.llm.acomplete(f"What is known of {topic}?")
        fashion = await self.llm.acomplete(f"What do people laugh about these days, in {topic}?")
        return Critique(joke=event.joke, critique=f"{facts}; {fashion}")

    @step
    async def judge(self, event: Critique) -> StopEvent:
        prompt = f"Give a thorough critique of this joke: {event.joke}\n{event.critique}"
        return StopEvent(result=str(await self.llm.acomplete(prompt)))


def build(url: str) -> Any:
    return JokeFlow(OpenAILike(model="stub", api_base=url, api_key="none", is_chat_model=True))


async def ask(flow: Any, questions: int) -> None:
    for number in range(questions):
        print(await flow.run(topic=f"pirates of ship {number}"))


def main(url: str, questions: int) -> None:
    asyncio.run(ask(build(url), questions))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
