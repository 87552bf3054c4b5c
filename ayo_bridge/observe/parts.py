"""What a template consists of, in words."""

from __future__ import annotations

from dataclasses import fields

from ayo_bridge.graph import Component, Opaque, Template

_ENGINES = ("llm", "embedding", "store", "reranker", "api")
_NUMBERS = (
    "mode",
    "queries",
    "items",
    "chunks",
    "top_k",
    "candidates",
    "top_n",
    "visits",
    "status",
)


def kind_of(component: Component) -> str:
    """What a component is, in words: ``QueryExpansion`` is ``"query expansion"``."""
    name = type(component).__name__
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()


def engines_of(component: Component) -> list[str]:
    """Names of the engines a component uses."""
    return [engine for name in _ENGINES if (engine := getattr(component, name, ""))]


def details_of(component: Component) -> str:
    """The numbers of a component, e.g. ``"queries 4, top k 8"``."""
    known = {f.name: getattr(component, f.name) for f in fields(component)}
    return ", ".join(
        f"{name.replace('_', ' ')} {known[name]}"
        for name in _NUMBERS
        if known.get(name) is not None
    )


def opaque_parts(template: Template, opaque: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """Everything that runs as it is, with the reason: lifted as opaque, or not lifted at all.

    Glue that is known to be pure holds nothing back and is not listed.
    """
    parts = {c.name: c.reason for c in template.components if isinstance(c, Opaque) and not c.pure}
    return list((parts | dict(opaque)).items())
