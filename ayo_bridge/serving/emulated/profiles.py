"""Which LLMs can be emulated: the published ones, and those measured here."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Unpack

from ayo_bridge.errors import ArgumentError
from ayo_bridge.profile import LLMProfile, ProfileStore
from ayo_bridge.serving.emulated.settings import Options, Settings
from ayo_bridge.simulate import LLMCosts, load_profiles

KV_TOKENS: Final = 16_384
"""Of a measured server that does not tell how large its cache is."""

_BLOCK: Final = 16
_MADE_UP: Final = frozenset({"fig7"})
"""Published, and of no model."""


@dataclass(frozen=True, slots=True)
class Known:
    """A profile by its name. ``block`` is the size of KV blocks in tokens, if it was measured."""

    name: str
    costs: LLMCosts
    source: str
    block: int | None = None


def find(profile: str | os.PathLike[str], store: ProfileStore | None = None) -> Known:
    """The profile that is meant: a published name, a measured engine's name, or a file.

    Raises:
        ArgumentError: there is none, or it is not of an LLM; the message names what there is.
    """
    name = os.fspath(profile)
    known = {each.name: each for each in listed(store)}
    if name in known:
        return known[name]
    path = Path(name)
    if path.is_file():
        return _from_file(path)
    close = [each for each in known if name and name in each]
    close = close or difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {' or '.join(close[:3])}? " if close else ""
    raise ArgumentError(
        f"no profile is called {name!r} and there is no such file: {meant}"
        "`ayo-bridge serve-sim --list` shows them all"
    )


def settings_for(
    profile: str | os.PathLike[str] | LLMCosts, **options: Unpack[Options]
) -> Settings:
    """Settings for a profile, by name or as costs of one's own.

    Raises:
        ArgumentError: there is no such profile, or nothing could be served so.
    """
    if isinstance(profile, LLMCosts):
        known = Known("costs", profile, profile.source)
    else:
        known = find(profile)
    if options.get("block_size", 0) == 0:
        options["block_size"] = known.block or _BLOCK
    return Settings(known.name, known.costs, **options)


def listed(store: ProfileStore | None = None) -> Iterator[Known]:
    """All of them, the published ones first."""
    for name, costs in load_profiles().llms.items():
        if name not in _MADE_UP:
            scaled = "; scaled from the 7B one" if costs.scaled else ""
            yield Known(name, costs, f"{costs.source}{scaled}")
    for path in (store or ProfileStore()).files():
        try:
            name, profile = ProfileStore.read(path)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # `ayo-bridge doctor` reports it.
        if isinstance(profile, LLMProfile):
            yield _measured(name, profile)


def _from_file(path: Path) -> Known:
    try:
        name, profile = ProfileStore.read(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArgumentError(
            f"{path} holds no profile: {error!r}; `ayo-bridge profile --llm` writes one"
        ) from error
    if not isinstance(profile, LLMProfile):
        raise ArgumentError(f"{path} is the profile of {name}, which is no LLM")
    return _measured(name, profile)


def _measured(name: str, profile: LLMProfile) -> Known:
    steps = profile.steps
    kv_tokens = (steps and steps.kv_tokens) or KV_TOKENS
    how = "measured" if steps else "measured one request at a time: --steps measures several"
    costs = LLMCosts.from_profile(profile, kv_tokens=kv_tokens)
    return Known(name, costs, how, steps.block if steps else None)
