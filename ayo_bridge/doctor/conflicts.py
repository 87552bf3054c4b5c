"""Libraries that do not work with each other, whoever asks them: not our doing, yet ours to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from packaging.specifiers import SpecifierSet

from ayo_bridge.doctor.checks import Area, Check, Level
from ayo_bridge.doctor.libraries import installed


@dataclass(frozen=True, slots=True)
class Conflict:
    """Versions of two libraries, and what becomes of them together."""

    library: str
    versions: SpecifierSet
    other: str
    others: SpecifierSet
    what: str
    advice: str


CONFLICTS: Final = (
    Conflict(
        "llama-index-llms-vllm",
        SpecifierSet("<=0.8.0"),
        "vllm",
        SpecifierSet(">=0.19"),
        "LlamaIndex's `Vllm` passes `best_of`, which this vLLM does not take: each of its calls "
        "raises TypeError, and a query engine may answer `Empty Response` for it",
        "serve the model (`ayo-bridge serve-llm MODEL`) and ask it by `OpenAILike`",
    ),
)


def check_conflicts() -> Iterator[Check]:
    """The conflicts that are installed here."""
    for each in CONFLICTS:
        one, other = installed(each.library), installed(each.other)
        if one is None or other is None:
            continue
        if each.versions.contains(one[1], prereleases=True) and each.others.contains(
            other[1], prereleases=True
        ):
            what = f"{' '.join(one)} with {' '.join(other)}: {each.what}"
            yield Check(Area.LIBRARIES, Level.PROBLEM, what, each.advice)
