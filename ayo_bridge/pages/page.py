"""A results page as one HTML file: no network, one copy of the charts' JavaScript."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import altair as alt
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ayo_bridge.pages.charts import CONFIG

HERE: Final = Path(__file__).parent
_GLOBAL: Final = "window.vegaEmbed = vegaEmbed;"


def render(template: Path, **content: Any) -> str:
    """Fill in a template, which extends ``page.html.j2`` of this folder.

    Raises:
        jinja2.UndefinedError: the template wants what ``content`` does not hold.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (HERE / "page.css").read_text(encoding="utf-8")
    return environment.get_template(template.name).render(
        **content, config=CONFIG, style=Markup(style), vega=Markup(vega())
    )


@cache
def vega() -> str:
    """The JavaScript that draws: Vega, Vega-Lite and Vega-Embed of Altair's version."""
    version = "_".join(alt.SCHEMA_VERSION.split(".")[:2])
    bundle: str = vl_convert.javascript_bundle(_GLOBAL, vl_version=version)
    return bundle.replace("</script", "<\\/script")
