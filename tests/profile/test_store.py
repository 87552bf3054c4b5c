import os
from pathlib import Path

import pytest

from ayo_bridge.profile import (
    CorruptProfileWarning,
    Curve,
    EngineProfile,
    LLMProfile,
    Profile,
    ProfileStore,
)

LLM = LLMProfile(0.1, 0.01, 0.02, 512)
EMBEDDING = EngineProfile("embedding", Curve.of([(1, 0.1), (8, 0.2)]), None)


@pytest.mark.parametrize("profile", [LLM, EMBEDDING])
def test_what_is_saved_is_loaded(tmp_path: Path, profile: Profile) -> None:
    store = ProfileStore(tmp_path / "new")
    store.save("org/model", "NVIDIA RTX 3090", profile)
    assert ProfileStore(tmp_path / "new").load("org/model", "NVIDIA RTX 3090") == profile


def test_model_and_device_tell_profiles_apart(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path)
    store.save("a/b", "cpu", LLM)
    assert store.load("a-b", "cpu") is None
    assert store.load("a/b", "gpu") is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"format": 99}',
        '{"format": 1, "kind": "x", "points": [], "best_batch": null}',
        '{"format": 1, "kind": "x", "points": [[1]], "best_batch": null}',
        "\udcff",
    ],
)
def test_a_corrupt_file_is_ignored_with_a_warning_and_overwritten(
    tmp_path: Path, text: str
) -> None:
    store = ProfileStore(tmp_path)
    path = store.path("m", "d")
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.warns(CorruptProfileWarning, match="measure the engine again"):
        assert store.load("m", "d") is None
    store.save("m", "d", LLM)
    assert store.load("m", "d") == LLM


def test_a_failed_write_leaves_the_old_profile_and_no_debris(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ProfileStore(tmp_path)
    store.save("m", "d", LLM)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        store.save("m", "d", EMBEDDING)
    assert store.load("m", "d") == LLM
    assert len(list(tmp_path.iterdir())) == 1


def test_the_directory_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYO_PROFILE_DIR", str(tmp_path / "own"))
    assert ProfileStore().directory == tmp_path / "own"
    monkeypatch.delenv("AYO_PROFILE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert ProfileStore().directory == tmp_path / "ayo-bridge" / "profiles"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ProfileStore().directory == tmp_path / ".cache" / "ayo-bridge" / "profiles"
