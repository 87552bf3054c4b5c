"""Prompt templates that can be formatted ahead: a pure function of their variables."""

from __future__ import annotations

from typing import Any

from ayo_bridge.lift.recognise import class_of
from ayo_bridge.lift.witness import saw
from ayo_langchain.known import differs

_METHODS = ("invoke", "ainvoke", "format_prompt", "format", "_merge_partial_and_user_variables")


def prompt_differs(prompt: Any) -> str | None:
    """Why a prompt template cannot be formatted ahead, or ``None``.

    Callable parts may be stateful, and other languages than f-strings may run code, so both are
    left to the original.
    """
    from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

    cls = class_of(saw(prompt))
    if cls is PromptTemplate:
        reason = differs(prompt, PromptTemplate, *_METHODS) or _text_differs(prompt)
    elif cls is ChatPromptTemplate:
        reason = differs(prompt, ChatPromptTemplate, *_METHODS, "format_messages")
        reason = reason or next(filter(None, map(_message_differs, prompt.messages)), None)
    else:
        return f"{cls.__name__} is not a known prompt template"
    if reason is None and any(map(callable, prompt.partial_variables.values())):
        reason = "the prompt template has callable parts"
    return reason


def _message_differs(message: Any) -> str | None:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
    from langchain_core.prompts import (
        AIMessagePromptTemplate,
        HumanMessagePromptTemplate,
        PromptTemplate,
        SystemMessagePromptTemplate,
    )

    cls = type(saw(message))
    if cls in (AIMessage, HumanMessage, SystemMessage):
        return None if isinstance(message.content, str) else "the prompt has parts beside text"
    if cls not in (
        AIMessagePromptTemplate,
        HumanMessagePromptTemplate,
        SystemMessagePromptTemplate,
    ):
        return f"{cls.__name__} is not a known part of a prompt"
    if type(message.prompt) is not PromptTemplate:
        return "the prompt has parts beside text"
    reason = differs(message, cls, "format_messages", "format") or _text_differs(message.prompt)
    if reason is None and any(map(callable, message.prompt.partial_variables.values())):
        reason = "the prompt template has callable parts"
    return reason


def _text_differs(prompt: Any) -> str | None:
    if saw(prompt).template_format != "f-string":
        return f"the prompt template is written in {prompt.template_format}"
    return differs(prompt, type(prompt), "format", "_merge_partial_and_user_variables")
