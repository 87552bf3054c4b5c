"""What docs/verify.md shows runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.stub_openai import StubOpenAI

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "verify.md"

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_the_blocks_of_the_document_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    with StubOpenAI(latency=0.02) as stub:
        monkeypatch.setenv("OPENAI_BASE_URL", stub.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        for block in blocks:
            exec(compile(block, "verify.md", "exec"), names)
    said = capsys.readouterr().out
    assert "5 of 5 calls the same" in said
    assert "verified, 0 differed" in said
