"""What was done to an accelerated object and to its last call, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields
from typing import Final

from ayo_bridge.graph import Template
from ayo_bridge.graph.picture import mermaid, to_json
from ayo_bridge.observe.details import call_lines, last_line, left_alone, template_lines, took
from ayo_bridge.observe.parts import kind_of, opaque_parts
from ayo_bridge.observe.summary import fragment
from ayo_bridge.observe.verdict import Seen, Verdict, verdict
from ayo_bridge.observe.wording import let_through
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.learning import Learning
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.seam import EngineCall

_SHOWN: Final = 4
"""Parts and notes that are told without being asked for all."""


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
    learned: Learning = field(default_factory=Learning)
    """What was learned of its calls, where that is how it is lifted."""
    unseen: int = 0
    """How many calls were let through as they are."""
    verified: str = ""
    """What came of verifying its calls, in words."""
    records: tuple[CallRecord, ...] = ()
    """The last finished calls, oldest first."""
    runs_ahead: bool = True
    """Whether the runtime is to run anything ahead."""

    @property
    def learning(self) -> tuple[str, ...]:
        """What was learned of its calls, in words."""
        return self.learned.lines

    def __str__(self) -> str:
        verdict = self.verdict
        lines = [str(verdict), *(verdict.left.lines() if verdict.left else ())]
        if self.record is not None:
            lines.append(last_line(self.record))
        parts = opaque_parts(self.template, self.opaque)
        lines += [left_alone(name, reason) for name, reason in parts[:_SHOWN]]
        if len(parts) > _SHOWN:
            lines.append(f"Left alone: {len(parts) - _SHOWN} more")
        notes = [note for note in self.notes if note not in self._limits()]
        lines += notes[:_SHOWN]
        return "\n".join([*lines, "Details: explain(x).full()"])

    def full(self) -> str:
        """Everything: the verdict, the template, and the graphs, rewrites and engine calls of the
        last call."""
        verdict = self.verdict
        lines = [str(verdict), *(verdict.left.lines() if verdict.left else ()), ""]
        lines.append(f"{self.target}, accelerated by {self.adapter}")
        lines += template_lines(self.template, self.opaque, self.learning)
        if self.record is None:
            lines += ["", "No call has finished yet: make one, and its graphs are shown here."]
        else:
            lines += call_lines(self.record)
        notes = self.notes
        if notes:
            lines += ["", "notes", *(f"  {note}" for note in notes)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, and the last call over time."""
        return fragment(self.target, self.verdict, self.record)

    @property
    def verdict(self) -> Verdict:
        """Whether it helped, over the calls that are remembered."""
        off = self.switched_off or ("" if self.runs_ahead else "Runtime(run_ahead=False)")
        parts = opaque_parts(self.template, self.opaque)
        return verdict(Seen(self.records, parts, self.learned, off, self.limits))

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
        notes += self._limits()
        if self.record is not None and self.record.error:
            notes.append(f"The last call failed: {self.record.error}")
        return tuple(notes)

    def _limits(self) -> list[str]:
        return [f"{server}: {limit}." for server, limit in self.limits.items()]

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
            "verdict": self.verdict.to_dict(),
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
        state.learning(),
        state.rest.unseen,
        state.checks.note(),
        history,
        state.runtime.run_ahead,
    )


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


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
