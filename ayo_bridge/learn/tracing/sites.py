"""Sites: the places in a program from which boundaries are called, equal in every process.

A site is the stack of calls from the boundary out to where the running code began: the entry, or
the task, job or thread that it runs in. Each frame counts as its function's file and qualified
name, the position of the call in the function's source, and a digest of the function's body. So a
site survives lines that come and go between functions, and changes with the function itself.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import weakref
from dataclasses import dataclass, field
from hashlib import blake2b
from types import CodeType, FrameType
from typing import Final

PLUMBING: Final = (
    *("httpx", "httpx2", "httpcore", "httpcore2", "openai", "tenacity"),
    *("asyncio", "concurrent.futures", "threading", "contextlib", "anyio", "nest_asyncio"),
    *("wrapt", "llama_index_instrumentation", "opentelemetry", "langsmith"),
    *("langgraph.pregel", "langgraph._internal", "langchain_core.runnables.config"),
    *("ayo_bridge", "ayo_llamaindex", "ayo_langchain", "ayo_python"),
)
"""Packages and modules whose frames say nothing of the program: retries, transports, event loops,
pools, instrumentation, engines that run a graph's nodes, and our own."""

_ID_BYTES: Final = 12
_ENTRY: Final = "entry"
"""What stacks begin with; the site of an entry that is plumbing itself."""
_DOTTED: Final = tuple(f"{name}." for name in PLUMBING)
_MOST_SITES: Final = 4096
"""How many stacks are remembered; then all are forgotten, which costs time only."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the program.

    Args:
        id: hexadecimal; equal in every process that runs the same program on the same Python.
        frames: for people, the innermost first, then those of the sites from which the tasks and
            jobs around it were made: ``app.py:answer, line 12``. No folders.
    """

    id: str
    frames: tuple[str, ...] = field(compare=False)
    calls: tuple[bytes, ...] = field(default=(), compare=False, repr=False)
    """Digests of the same, exact to the instruction's position (:func:`call_at`)."""


class _Call:
    """The call that a frame is making, as part of a site."""

    __slots__ = ("digest", "shown")

    def __init__(self, digest: bytes, shown: str) -> None:
        self.digest = digest
        self.shown = shown


class _Code:
    """What is known of a function, and its ``calls`` by instruction.

    Many instructions are one call: specialised bytecode stays on another one than the plain does.
    What tells calls apart is their position in the source; nothing does in one seen ``as_one``.
    """

    __slots__ = ("_name", "as_one", "calls", "counts", "made", "root", "weak")

    def __init__(self, code: CodeType, module: str) -> None:
        key, codes = id(code), _codes

        def forget(_: object) -> None:
            codes.pop(key, None)

        # Told while the code is being freed, so before another one can have its id.
        self.weak = weakref.ref(code, forget)
        self.root = code in _roots
        self.as_one = code in _as_one
        self.counts = not (self.root or is_plumbing(module))
        self.calls: dict[int, _Call] = {}
        named = (_file(code), code.co_qualname, body_digest(code)) if self.counts else ()
        self._name = "\n".join(named)
        self.made = _Call(blake2b(self._name.encode(), digest_size=_ID_BYTES).digest(), "")
        """The function itself, as what a site makes a task of."""

    def add(self, code: CodeType, instruction: int) -> _Call:
        """The call that ``code`` makes at an instruction (an offset in bytes)."""
        first, last, start, end = next(
            itertools.islice(code.co_positions(), instruction // 2, None), (None,) * 4
        )
        top = code.co_firstlineno
        lines = [line if line is None else line - top for line in (first, last)]
        position = "" if self.as_one else f"{lines} {start} {end}"
        digest = blake2b(f"{self._name}\n{position}".encode(), digest_size=_ID_BYTES)
        line = top if first is None else first
        shown = f"{os.path.basename(code.co_filename)}:{code.co_qualname}, line {line}"
        call = self.calls[instruction] = _Call(digest.digest(), shown)
        return call


_codes: dict[int, _Code] = {}
"""By the id of the code: hashing a code object itself goes through all of its constants."""
_sites: dict[tuple[str | _Call, ...], Site] = {}
"""By the id of the maker's site and the calls, innermost first."""
_roots: set[CodeType] = {asyncio.events.Handle._run.__code__}


_as_one: set[CodeType] = set()


def see_as_one(code: CodeType) -> None:
    """Have all calls that a function makes count as made in one line: which it is says nothing."""
    if code not in _as_one:
        _as_one.add(code)
        _codes.pop(id(code), None)


def end_at(code: CodeType) -> None:
    """Have stacks end at a function that runs others' work: who calls it says nothing of them."""
    _roots.add(code)
    _codes.pop(id(code), None)


def is_plumbing(module: str) -> bool:
    """Whether frames of a module are left out."""
    return f"{module}.".startswith(_DOTTED)


def site_here(
    end: FrameType | CodeType | None, maker: Site | None = None, made: FrameType | None = None
) -> Site:
    """The site of the calling code.

    Args:
        end: where the stack is cut: a frame (exact also where entries are nested), or a code,
            whose innermost frame counts. It belongs to the site itself unless it is plumbing.
            ``None``: where the task, job or thread begins.
        maker: the site at which that task, job or thread was made.
        made: of the coroutine of which the calling code is about to make a task. Some engines make
            tasks of many kinds in one place.
    """
    key: list[str | _Call] = [maker.id if maker is not None else ""]
    if made is not None:
        kind = _codes.get(id(made.f_code)) or _learn(made.f_code, _module(made))
        if kind.counts:
            key.append(kind.made)
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        known = _codes.get(id(code)) or _learn(code, _module(frame))
        if known.counts:
            instruction = frame.f_lasti
            key.append(known.calls.get(instruction) or known.add(code, instruction))
        elif known.root:
            break
        if frame is end or code is end:
            break
        frame = frame.f_back
    stack = tuple(key)
    return _sites.get(stack) or _new_site(stack, maker)


def _module(frame: FrameType) -> str:
    return frame.f_globals.get("__name__") or ""


def call_at(code: CodeType, module: str, instruction: int) -> bytes | None:
    """The digest of a call as part of a site; ``None`` if sites leave such a function out.

    Args:
        module: the name of the function's module.
        instruction: where the call stands in ``code`` (an offset in bytes).
    """
    known = _codes.get(id(code)) or _learn(code, module)
    if not known.counts:
        return None
    return (known.calls.get(instruction) or known.add(code, instruction)).digest


def _learn(code: CodeType, module: str) -> _Code:
    known = _codes[id(code)] = _Code(code, module)
    return known


def _new_site(stack: tuple[str | _Call, ...], maker: Site | None) -> Site:
    calls = [call for call in stack if isinstance(call, _Call)]
    # From the outside in: what a job does is what it would be if its maker had called it.
    known = maker.id if maker is not None else _ENTRY
    for call in reversed(calls):
        known = _inner(known, call.digest)
    shown = tuple(call.shown for call in calls if call.shown)
    stacked = tuple(call.digest for call in calls if call.shown)
    site = Site(
        known, shown + (maker.frames if maker else ()), stacked + (maker.calls if maker else ())
    )
    if len(_sites) >= _MOST_SITES:
        _sites.clear()
    _sites[stack] = site
    return site


def part_of(site: Site, name: str) -> Site:
    """The site of a part of the program that is known by its name, run at ``site``."""
    return Site(_inner(site.id, f"part {name}".encode()), (name, *site.frames), site.calls)


def _inner(outer: str, digest: bytes) -> str:
    return blake2b(outer.encode() + digest, digest_size=_ID_BYTES).hexdigest()


# What identifies a function.


def _file(code: CodeType) -> str:
    """The file's name without folders; nothing for code that has no file."""
    folder, name = os.path.split(code.co_filename)
    if name.startswith("<"):
        return ""  # A notebook's cell carries the number of its execution there.
    return f"{os.path.basename(folder)}/{name}" if name == "__init__.py" else name


def body_digest(code: CodeType) -> str:
    """A digest of a function's body, with the functions in it. Lines do not count."""
    parts = blake2b(code.co_code, digest_size=_ID_BYTES)
    parts.update(repr((code.co_names, code.co_varnames, code.co_freevars)).encode())
    for constant in code.co_consts:
        parts.update(_constant(constant).encode())
    return parts.hexdigest()


def _constant(constant: object) -> str:
    """A constant as text that is equal in every process: the order of a set differs."""
    if isinstance(constant, CodeType):
        return f"{constant.co_qualname}:{body_digest(constant)}"
    if isinstance(constant, frozenset):
        return f"frozenset{sorted(map(_constant, constant))}"
    if isinstance(constant, tuple):
        return f"tuple{[*map(_constant, constant)]}"
    return repr(constant)
