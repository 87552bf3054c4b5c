"""What was done to an accelerated object and to its last call, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields

from ayo_bridge.graph import Component, Opaque, Template, picture
from ayo_bridge.graph.picture import mermaid, to_json
from ayo_bridge.observe.decisions import grouped
from ayo_bridge.observe.wording import columns, counted, duration, gain, indented, let_through
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.seam import EngineCall, Outcome

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


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was lifted and, after a call, its graphs, rewrites and engine calls.

    ``str()`` gives text, :meth:`mermaid` a flowchart, :meth:`json` plain data. ``record`` is the
    last finished call, ``None`` before there is one.
    """

    adapter: str
    target: str
    template: Template
    opaque: tuple[tuple[str, str], ...]
    record: CallRecord | None = None
    switched_off: str = ""
    on_trial: str = ""
    """Why it was switched off, while it is tried again."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """How much may be ahead at each server: by ``host:port``, in words."""
    learning: tuple[str, ...] = ()
    unseen: int = 0
    """What was learned of its calls, where that is how it is lifted."""
    verified: str = ""
    """What came of verifying its calls, in words."""

    def __str__(self) -> str:
        lines = [f"{self.target}, accelerated by {self.adapter}", *self._template()]
        if self.record is None:
            lines += ["", "No call has finished yet: make one, and its graphs are shown here."]
        else:
            lines += _call(self.record)
        notes = self.notes
        if notes:
            lines += ["", "notes", *(f"  {note}" for note in notes)]
        return "\n".join(lines)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing besides."""
        notes = list(self.template.notes)
        if self.switched_off:
            notes.append(f"Run-ahead is switched off for this object: {self.switched_off}.")
        if self.on_trial:
            notes.append(f"Run-ahead was switched off for this object: {self.on_trial}.")
        if self.verified:
            notes.append(self.verified)
        if self.unseen:
            notes.append(f"{let_through(self.unseen)}.")
        notes += [f"{server}: {limit}." for server, limit in self.limits.items()]
        if self.record is not None and self.record.error:
            notes.append(f"The last call failed: {self.record.error}")
        return tuple(notes)

    def _template(self) -> list[str]:
        lines = ["", "module template"]
        if not self.template.components:
            said = self.learning or ("nothing was lifted",)
            lines += [f"  {line}" for line in said]
        previous: str | None = None
        rows = []
        for component in self.template.components:
            after = [before for before, name in self.template.edges if name == component.name]
            usual = [previous] if previous is not None else []
            previous = component.name
            engines = ", ".join(engines_of(component))
            order = f"after {', '.join(after) or 'nothing'}" if after != usual else ""
            rows.append((component.name, kind_of(component), engines, details_of(component), order))
        lines += columns(rows) if rows else []
        if self.template.components:
            lines += [f"  {line}" for line in self.learning]
        for name, reason in opaque_parts(self.template, self.opaque):
            lines.append(f"  left as it is: {name}" + (f" ({reason})" if reason else ""))
        return lines

    def mermaid(self) -> str:
        """A Mermaid flowchart of the last call's e-graph; of the template before any call."""
        if self.record is not None:
            return mermaid(self.record.e_graph)
        components = self.template.components
        ids = {component.name: f"c{i}" for i, component in enumerate(components)}
        boxes = [f'  {ids[c.name]}["{_quoted(c.name)}<br/>{kind_of(c)}"]' for c in components]
        arrows = [f"  {ids[a]} --> {ids[b]}" for a, b in self.template.edges]
        return "\n".join(["flowchart TD", *boxes, *arrows]) + "\n"

    def json(self) -> dict[str, object]:
        """Everything as lists, dicts, strings and numbers; times in seconds from the call's start.

        Before any call ``entry``, ``seconds`` and the graphs are ``None`` and the lists are empty.
        """
        record = self.record
        return {
            "adapter": self.adapter,
            "target": self.target,
            "switched_off": self.switched_off,
            "on_trial": self.on_trial,
            "limits": dict(self.limits),
            "notes": list(self.notes),
            "learning": list(self.learning),
            "unseen": self.unseen,
            "template": _template_json(self.template, self.opaque),
            "entry": record.entry if record else None,
            "error": record.error if record else "",
            "seconds": took(record) if record else None,
            "predicted_gain": record.predicted_gain if record else None,
            "measured_gain": record.measured_gain if record else None,
            "p_graph": to_json(record.p_graph) if record else None,
            "e_graph": to_json(record.e_graph) if record else None,
            "decisions": [
                {
                    "pass": decision.pass_name,
                    "targets": list(decision.targets),
                    "applied": decision.applied,
                    "reason": decision.reason,
                    "predicted_gain": decision.predicted_gain,
                }
                for decision in (record.decisions if record else ())
            ],
            "calls": [call_json(record, call) for call in record.calls] if record else [],
        }

    def to_dict(self) -> dict[str, object]:
        """The same as :meth:`json`."""
        return self.json()


def explain_state(state: AcceleratedState) -> Explanation:
    """Explain an accelerated object and its last finished call."""
    history = state.history()
    last = history[-1] if history else None
    return Explanation(
        state.adapter,
        state.target,
        # Lifted anew for each call: what it consists of may have been changed since.
        last.template if last is not None else state.template,
        state.opaque,
        last,
        state.switched_off,
        state.on_trial,
        state.limits(),
        () if state.learning is None else tuple(state.learning()),
        state.rest.unseen,
        state.checks.note(),
    )


def took(record: CallRecord) -> float | None:
    """Seconds from entry to the end of the scope; ``None`` while it lives."""
    return None if record.ended is None else record.ended - record.started


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


def digest(key: Hashable) -> str:
    """A request's identity as hex digits; equal keys have equal digests."""
    raw = key if isinstance(key, bytes) else repr(key).encode()
    return hashlib.blake2b(raw, digest_size=8).hexdigest()


def call_json(record: CallRecord, call: EngineCall) -> dict[str, object]:
    """An engine call as plain data; times in seconds from the record's start."""
    return {
        "primitive": call.primitive,
        "engine": call.engine,
        "kind": call.kind.value,
        "outcome": call.outcome.value,
        "fused": call.fused,
        "key": None if call.key is None else digest(call.key),
        "queued": call.queued - record.started,
        "started": None if call.started is None else call.started - record.started,
        "ended": None if call.ended is None else call.ended - record.started,
        "waited": call.waited,
        "saved": call.saved,
        "items": call.items,
        "batch": call.batch,
        "prompt_tokens": call.prompt_tokens,
        "completion_tokens": call.completion_tokens,
        "error": call.error,
    }


def _template_json(template: Template, opaque: tuple[tuple[str, str], ...]) -> dict[str, object]:
    return {
        "name": template.name,
        "inputs": list(template.inputs),
        "components": [
            {
                "kind": kind_of(component),
                **{f.name: _plain(getattr(component, f.name)) for f in fields(component)},
            }
            for component in template.components
        ],
        "edges": [list(edge) for edge in template.edges],
        "opaque": [
            {"name": name, "reason": reason} for name, reason in opaque_parts(template, opaque)
        ],
        "notes": list(template.notes),
    }


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


def _call(record: CallRecord) -> list[str]:
    seconds = took(record)
    time = "still running" if seconds is None else duration(seconds)
    lines = ["", f"last call: {record.entry}, {time}"]
    lines += ["", f"p-graph, {counted(len(record.p_graph), 'primitive')}"]
    lines += indented(picture(record.p_graph))
    if record.e_graph == record.p_graph:
        lines += ["", "e-graph: the same; nothing was rewritten"]
    else:
        lines += ["", f"e-graph, {counted(len(record.e_graph), 'primitive')}"]
        lines += indented(picture(record.e_graph))
    lines += ["", "rewrites", *_rewrites(record)]
    lines += ["", f"engine calls, {len(record.calls)}", *_calls(record)]
    return lines


def _rewrites(record: CallRecord) -> list[str]:
    rows = [(r.verdict, r.name, r.predicted, r.where, r.reason) for r in grouped(record.decisions)]
    warmed = any(call.outcome is Outcome.WARM for call in record.calls)
    return [
        *(columns(rows, right="llr") if rows else ["  none was considered"]),
        f"  predicted gain {gain(record.predicted_gain) or 'unknown'}; "
        f"the original did not wait for {duration(record.measured_gain)} of engine time"
        + (", besides what prefix warms made shorter" if warmed else ""),
    ]


def _calls(record: CallRecord) -> list[str]:
    if not record.calls:
        return ["  none"]
    head = ("primitive", "engine", "outcome", "batch", "waited", "took", "")
    rows = [
        (
            call.primitive,
            call.engine,
            call.outcome.value + (", fused" if call.fused else ""),
            str(call.batch),
            duration(call.waited),
            duration(call.seconds),
            call.error,
        )
        for call in record.calls
    ]
    return columns([head, *rows], right="lllrrr")


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
