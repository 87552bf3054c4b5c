"""A made-up framework of one class: it asks a model two things, one after the other."""

from __future__ import annotations

from typing import Any

import httpx

PROMPTS = ("What speaks for this: {question}", "What speaks against this: {question}")


class Answerer:
    """Answers with what speaks for and what against something."""

    def __init__(self, base_url: str, model: str, client: httpx.Client) -> None:
        self.base_url = base_url
        self.model = model
        self.client = client
        self.prompts = PROMPTS

    def ask(self, question: str) -> str:
        """Both answers, a line each."""
        return "\n".join(self.complete(prompt.format(question=question)) for prompt in self.prompts)

    def complete(self, prompt: str) -> str:
        """One call of the model."""
        reply = self.client.post(f"{self.base_url}/chat/completions", json=self.body(prompt))
        reply.raise_for_status()
        text: str = reply.json()["choices"][0]["message"]["content"]
        return text

    def body(self, prompt: str) -> dict[str, Any]:
        """What is sent."""
        return {"model": self.model, "messages": [{"role": "user", "content": prompt}]}
