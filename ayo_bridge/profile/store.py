"""Profiles on disk: one JSON file a model and device."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ayo_bridge.errors import ArgumentError, announce
from ayo_bridge.profile.curve import Curve
from ayo_bridge.profile.profiles import EngineProfile, LLMProfile, Profile
from ayo_bridge.profile.steps import StepCosts

FORMAT = 1


class CorruptProfileWarning(UserWarning):
    """A profile on disk could not be read; it is ignored and overwritten by the next one."""


class ProfileStore:
    """Profiles by model and device.

    ``directory`` defaults to ``$AYO_PROFILE_DIR``, then ``$XDG_CACHE_HOME/ayo-bridge/profiles``,
    then ``~/.cache/ayo-bridge/profiles``. It is made by the first :meth:`save`.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self.directory = Path(directory) if directory is not None else _default_directory()

    def path(self, model: str, device: str) -> Path:
        """Where the profile of ``model`` on ``device`` is kept."""
        readable = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{model}-on-{device}").strip("-")[:80]
        digest = hashlib.sha256(f"{model}\0{device}".encode()).hexdigest()[:12]
        return self.directory / f"{readable}-{digest}.json"

    def load(self, model: str, device: str) -> Profile | None:
        """Return the profile, or ``None`` if there is none or it cannot be read.

        Warns:
            CorruptProfileWarning: there is a file and it cannot be read.
        """
        path = self.path(model, device)
        try:
            return self.read(path)[1]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            announce(
                f"the profile {path} is ignored: {error!r}; measure the engine again or delete it",
                CorruptProfileWarning,
                stacklevel=2,
            )
            return None

    def prepare(self) -> None:
        """Make the directory, before something is measured that takes long.

        Raises:
            ArgumentError: it cannot be made or written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArgumentError(
                f"profiles cannot be kept in {self.directory}: {error.strerror}"
            ) from error
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise ArgumentError(f"profiles cannot be kept in {self.directory}: it is read-only")

    def files(self) -> tuple[Path, ...]:
        """The files that profiles are kept in, by name."""
        found = self.directory.glob("*.json")
        return tuple(sorted(path for path in found if not path.name.startswith(".")))

    @staticmethod
    def read(path: Path) -> tuple[str, Profile]:
        """The profile in a file, with the model it is of.

        Raises:
            OSError: it cannot be read.
            ValueError, KeyError, TypeError: it holds no profile of this version.
        """
        data = json.loads(path.read_text(encoding="utf-8"))
        return str(data["model"]), _from_json(data)

    def save(self, model: str, device: str, profile: Profile) -> Path:
        """Write the profile; a reader sees the old file or the new one, never a part.

        Raises:
            OSError: the directory cannot be written.
        """
        path = self.path(model, device)
        self.directory.mkdir(parents=True, exist_ok=True)
        data = {"format": FORMAT, "model": model, "device": device, **_to_json(profile)}
        handle, name = tempfile.mkstemp(dir=self.directory, prefix=".new-", suffix=".json")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(data, file, indent=1)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return path


def _default_directory() -> Path:
    if chosen := os.environ.get("AYO_PROFILE_DIR"):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "ayo-bridge" / "profiles"


def _to_json(profile: Profile) -> dict[str, object]:
    if isinstance(profile, LLMProfile):
        steps = {} if profile.steps is None else {"steps": asdict(profile.steps)}
        return {
            "kind": profile.kind,
            "prefill_base": profile.prefill_base,
            "prefill_per_token": profile.prefill_per_token,
            "decode_per_token": profile.decode_per_token,
            "best_batch": profile.best_batch,
            **steps,
        }
    return {
        "kind": profile.kind,
        "points": [list(point) for point in profile.curve.points],
        "best_batch": profile.best_batch,
    }


def _from_json(data: Mapping[str, Any]) -> Profile:
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']!r}; this version reads {FORMAT}")
    best = None if data["best_batch"] is None else int(data["best_batch"])
    if data["kind"] == LLMProfile.kind:
        return LLMProfile(
            float(data["prefill_base"]),
            float(data["prefill_per_token"]),
            float(data["decode_per_token"]),
            best,
            StepCosts(**data["steps"]) if "steps" in data else None,
        )
    points = [(int(size), float(seconds)) for size, seconds in data["points"]]
    return EngineProfile(str(data["kind"]), Curve.of(points), best)
