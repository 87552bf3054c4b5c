"""Building HTML and SVG as trees, so that every text and attribute is escaped by the writer."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from xml.etree.ElementTree import Element, SubElement

_VOID = frozenset({"meta", "input"})

Attributes = Mapping[str, str | float]


def add(
    parent: Element,
    tag: str,
    text: str = "",
    place: Attributes | None = None,
    **attributes: str | float,
) -> Element:
    """Append an element. ``class_`` is ``class``, other underscores become hyphens."""
    child = SubElement(parent, tag, _written({**(place or {}), **attributes}))
    if text:
        child.text = text
    return child


def svg(width: float, height: float, label: str, **attributes: str | float) -> Element:
    """A drawing of that many pixels; ``label`` is what a screen reader says,
    if anything."""
    root = Element("svg", _written({"width": width, "height": height, **attributes}))
    if label:
        root.attrib.update({"role": "img", "aria-label": label})
    else:
        root.set("aria-hidden", "true")
    root.set("viewBox", f"0 0 {_number(width)} {_number(height)}")
    return root


def add_shape(parent: Element, place: Attributes, mark: str, *, hatched: bool = False) -> None:
    """A rectangle of the style ``mark``; hatched is what was made only to warm a prefix."""
    add(parent, "rect", "", place, class_=mark)
    if hatched:
        add(parent, "rect", "", place, class_="hatch", fill="url(#hatch)")


def add_patterns(parent: Element) -> None:
    """The hatching that shapes refer to, once a page."""
    root = svg(0, 0, "", style="position: absolute")
    hatch = add(add(root, "defs"), "pattern", id="hatch", width=5, height=5)
    hatch.attrib.update({"patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"})
    add(hatch, "path", d="M0 0V5", class_="mesh")
    parent.append(root)


def write(element: Element) -> str:
    """The element as HTML text; everything but a style sheet is escaped, attributes too."""
    parts = [f"<{element.tag}"]
    parts += [f' {name}="{escape(value)}"' for name, value in element.attrib.items()]
    parts.append(">")
    if element.tag not in _VOID:
        text = element.text or ""
        parts.append(text if element.tag == "style" else escape(text, quote=False))
        parts += map(write, element)
        parts.append(f"</{element.tag}>")
    parts.append(escape(element.tail or "", quote=False))
    return "".join(parts)


def shortened(text: str, width: float, per_character: float) -> str:
    """The text, with its middle left out if it is wider than ``width`` pixels."""
    room = int(width / per_character)
    if len(text) <= room:
        return text
    if room < 4:
        return ""
    tail = (room - 1) // 2
    return f"{text[: room - 1 - tail]}…{text[-tail:]}"


def _written(attributes: Attributes) -> dict[str, str]:
    return {
        name.rstrip("_").replace("_", "-"): value if isinstance(value, str) else _number(value)
        for name, value in attributes.items()
    }


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
