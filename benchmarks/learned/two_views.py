"""A workflow of LlamaIndex whose first two steps are independent, but written one after another.

The library reads the annotations of steps when the class is made, so they stand in a module.
"""

from typing import Any

from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step


class FirstView(Event):
    """What speaks for it."""

    text: str


class BothViews(Event):
    """What speaks for it and against it."""

    first: str
    second: str


class TwoViews(Workflow):
    """Argues both sides of a question and weighs them."""

    def __init__(self, llm: Any, timeout: float | None = None) -> None:
        super().__init__(timeout=timeout)
        self.llm = llm

    @step
    async def argue_for(self, context: Context, event: StartEvent) -> FirstView:
        """What speaks for the claim."""
        await context.store.set("question", event.question)
        reply = await self.llm.acomplete(f"Argue for the claim behind: {event.question}")
        return FirstView(text=str(reply))

    @step
    async def argue_against(self, context: Context, event: FirstView) -> BothViews:
        """What speaks against it, without regard to the first view."""
        question = await context.store.get("question")
        reply = await self.llm.acomplete(f"Argue against the claim behind: {question}")
        return BothViews(first=event.text, second=str(reply))

    @step
    async def weigh(self, context: Context, event: BothViews) -> StopEvent:
        """The verdict."""
        question = await context.store.get("question")
        reply = await self.llm.acomplete(
            f"Question: {question}\nFirst view: {event.first}\nSecond view: {event.second}\n"
            "Weigh the two views."
        )
        return StopEvent(result=str(reply))
