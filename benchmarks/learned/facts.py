"""The structured answer that a tree of LlamaIndex is asked for."""

from pydantic import BaseModel


class Facts(BaseModel):
    """What is known, under a title."""

    title: str
    facts: list[str]
