"""All applications by name."""

from __future__ import annotations

from benchmarks.learned import (
    langchain_apps,
    llama_index_apps,
    llama_index_flows,
    plain_apps,
    public_apps,
    table,
    text_apps,
)
from benchmarks.learned.app import App, named

APPS: dict[str, App] = named(
    [
        *llama_index_apps.APPS,
        *llama_index_flows.APPS,
        *langchain_apps.APPS,
        *plain_apps.APPS,
        *public_apps.APPS,
        *text_apps.APPS,
        *table.APPS,
    ]
)
"""Every application; names are unique."""
