"""What `ayo-bridge doctor` says of servers that answer, and of those that do not."""

from __future__ import annotations

import json
import os
import socket
import threading

import pytest
from typer.testing import CliRunner

from ayo_bridge.cli import app
from ayo_bridge.doctor import Check, Level, Report, as_text
from ayo_bridge.doctor.asking import get
from ayo_bridge.doctor.servers import check_servers, known_servers
from ayo_bridge.doctor.vllm_metrics import read_metrics
from ayo_bridge.engines import launched
from ayo_bridge.serving.ports import free_port
from tests.cli.served import METRICS, VLLM, Served, golden
from tests.stub_openai import StubOpenAI

pytestmark = pytest.mark.usefixtures("plain_surroundings")


def of(*servers: str) -> tuple[Check, ...]:
    return tuple(check_servers(servers or known_servers()))


def test_a_server_that_is_not_there() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    assert CliRunner().invoke(app, ["doctor", "--server", url]).exit_code == 1
    golden("doctor_no_server", as_text(Report(of(url))))


def test_a_plain_openai_style_server() -> None:
    with StubOpenAI() as stub:
        golden("doctor_plain_server", as_text(Report(of(stub.base_url))))
        assert not stub.calls


def test_vllm_with_what_it_tells_of_itself(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    served.replies = VLLM
    golden("doctor_vllm", as_text(Report(of(served.url))))
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
    golden("doctor_vllm_unwell", as_text(Report(of(served.url))))


@pytest.mark.parametrize("number", ["emulated:costs@4x", "dev"])
def test_a_version_of_somebodys_own_making_is_no_problem(served: Served, number: str) -> None:
    served.replies = VLLM | {"/version": json.dumps({"version": number})}
    found = [each for each in of(served.url) if number in each.what]
    assert [each.level for each in found] == [Level.OK]


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
    first = of(served.url)[0]
    assert first.level is level
    assert words in first.what
    assert not [path for _, path, _ in served.asked if path == "/elsewhere"]


@pytest.mark.parametrize("server", ["localhost:8000", "http://u:secret@h:99999/v1", "ftp://h/v1"])
def test_what_is_no_base_url_is_said_to_be_none(server: str) -> None:
    (only,) = of(server)
    assert only.level is Level.PROBLEM
    assert "is no base URL" in only.what
    assert "secret" not in only.what


def test_what_a_url_holds_to_log_in_is_neither_shown_nor_sent(served: Served) -> None:
    served.replies = VLLM
    url = served.url.replace("http://", "http://user:secret@") + "?key=secret"
    assert "secret" not in str(of(url))
    assert "secret" not in str(served.asked)
    assert len(served.asked) == len(VLLM)


def test_servers_of_the_environment_and_of_serve_llm_are_asked_unnamed(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.replies = VLLM
    launched.note(served.url, os.getpid())
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    found = [check.what for check in of()]
    assert os.environ["OPENAI_BASE_URL"] in found[0]
    assert f"{served.url} was started by `serve-llm` here: priorities are on" in found


def test_a_proxy_on_the_way_is_used_and_its_password_not_shown(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.otherwise = 407
    root = served.url.removesuffix("/v1").removeprefix("http://")
    monkeypatch.setenv("http_proxy", f"http://user:secret@{root}")
    (first, *_) = of("http://models.internal/v1")
    assert "wants credentials (407)" in first.what
    assert served.asked[0][1] == "http://models.internal/v1/models"
    assert "secret" not in str(first)


@pytest.mark.parametrize(
    ("scheme", "reply", "words"),
    [
        ("http", None, "no answer within 0.1 s"),
        ("http", b"", "it closes the connection without a reply; is it https instead of http?"),
        ("http", b"\x15\x03\x03\x00\x02\x02\x46", "it does not speak HTTP; is it https"),
        ("https", b"HTTP/1.0 400 Bad Request\r\n\r\n", "it does not speak TLS; is it http"),
    ],
)
def test_why_a_server_does_not_answer_is_said(scheme: str, reply: bytes | None, words: str) -> None:
    """``reply`` is what a server writes before it hangs up; with None it does neither."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                if reply is None:
                    ended.wait()
                else:
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        seconds = 0.1 if reply is None else 5.0
        found = get(f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/v1/models", seconds)
        ended.set()
        thread.join()
    assert found.status == 0
    assert found.failure.startswith(words)


def test_metrics_of_several_engines_are_added_up() -> None:
    state = read_metrics(METRICS + METRICS.replace('engine="0"', 'engine="1"'))
    assert state is not None
    assert (state.running, state.waiting, state.cache_used) == (6, 0, 0.25)
    assert state.hit_rate == pytest.approx(0.64)
    assert read_metrics("other_total 1.0\n") is None
