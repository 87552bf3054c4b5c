"""A real `vllm serve` answers and repeats itself exactly; a server leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from ayo_bridge.serving.child import EngineStartError
from ayo_bridge.serving.ports import PortInUseError
from ayo_bridge.serving.vllm_server import ModelNotFoundError, VLLMServer
from tests.deadline import eventually
from tests.processes import all_gone, descendants
from tests.serving.stand_in import stand_in_for_vllm

# As long as a start may take: the neighbours of the test run may be busy.
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def ask(server: VLLMServer, path: str, **body: Any) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{server.url}/{path}",
        json.dumps({"model": server.model_name, "temperature": 0, **body}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def test_a_greedy_completion_repeats_itself(vllm_server: VLLMServer) -> None:
    asked = {"prompt": "def main():", "max_tokens": 24}
    first, second = (ask(vllm_server, "completions", **asked) for _ in range(2))
    assert first["choices"] == second["choices"]
    assert first["usage"]["completion_tokens"] == 24


def test_every_word_of_the_prompt_changes_the_answer(vllm_server: VLLMServer) -> None:
    one, other = (
        ask(vllm_server, "completions", prompt=f"{word} and then the file", max_tokens=12)
        for word in ("Open", "Close")
    )
    assert one["choices"][0]["text"] != other["choices"][0]["text"]


def test_a_chat_continues_its_last_message(vllm_server: VLLMServer) -> None:
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "I am"}]
    continued = ask(
        vllm_server,
        "chat/completions",
        messages=messages,
        max_tokens=8,
        continue_final_message=True,
        add_generation_prompt=False,
    )
    by_hand = ask(
        vllm_server,
        "completions",
        prompt="<|begin|><|role|>user\nHello<|turn|><|role|>assistant\nI am",
        add_special_tokens=False,
        max_tokens=8,
    )
    assert continued["usage"]["prompt_tokens"] == by_hand["usage"]["prompt_tokens"]
    assert continued["choices"][0]["message"]["content"] == by_hand["choices"][0]["text"]


def test_a_repeated_prefix_is_counted_as_cached(vllm_server: VLLMServer) -> None:
    prefix = "A prefix that no other test sends. " * 40
    ask(vllm_server, "completions", prompt=prefix, max_tokens=1)
    full = ask(vllm_server, "completions", prompt=prefix + "And its end.", max_tokens=1)
    assert full["usage"]["prompt_tokens_details"]["cached_tokens"] >= 32


def test_priority_is_accepted(vllm_server: VLLMServer) -> None:
    answer = ask(vllm_server, "completions", prompt="now", max_tokens=1, priority=-5)
    assert answer["choices"][0]["finish_reason"] == "length"


def test_the_server_is_reached_through_loopback_only(vllm_server: VLLMServer) -> None:
    assert vllm_server.pid is not None
    tree = [psutil.Process(vllm_server.pid)]
    tree += tree[0].children(recursive=True)
    listening = {
        connection.laddr.ip
        for process in tree
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


@pytest.fixture
def stand_in(tmp_path: Path) -> dict[str, str]:
    return stand_in_for_vllm(tmp_path / "stand-in")


def test_stop_and_start_leave_no_process_and_kill_is_noticed(
    tiny_llama: Path, stand_in: dict[str, str]
) -> None:
    seen: list[float] = []
    server = VLLMServer(
        tiny_llama, env=stand_in, on_progress=lambda seconds, line: seen.append(seconds)
    )
    with server:
        alive = [server.alive]
        assert seen == sorted(seen)
        assert seen
        assert server.pid is not None
        started = descendants(server.pid)
        assert len(started) >= 2  # The server and its engine.
        server.stop()
        assert all_gone(started)
        alive.append(server.alive)
        server.start()
        alive.append(server.alive)
        assert server.pid is not None
        restarted = descendants(server.pid)
        server.kill()
        eventually(lambda: all_gone(restarted), "the end of a killed server")
        alive.append(server.alive)
    assert alive == [True, False, True, False]


OWNER = """
import json, sys, threading
from ayo_bridge.serving.vllm_server import VLLMServer
model, log, env = sys.argv[1:]
server = VLLMServer(model, log=log, env=json.loads(env)).start()
print(server.pid, flush=True)
threading.Event().wait()
"""


def test_the_server_ends_when_its_owner_is_killed(
    tiny_llama: Path, tmp_path: Path, stand_in: dict[str, str]
) -> None:
    arguments = [str(tiny_llama), str(tmp_path / "log"), json.dumps(stand_in)]
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert owner.stdout is not None
    with owner.stdout:
        supervisor = int(owner.stdout.readline())
        tree = [psutil.Process(supervisor), *descendants(supervisor)]
        assert len(tree) >= 3
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    eventually(lambda: all_gone(tree), "the end of the orphaned server")


def test_a_model_that_cannot_be_served_shows_the_end_of_the_log(
    tmp_path: Path, stand_in: dict[str, str]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "no-such-type"}')
    log = tmp_path / "log"
    with pytest.raises(EngineStartError, match="no-such-type") as failure:
        VLLMServer(broken, log=log, env=stand_in).start()
    assert str(log) in str(failure.value)


def test_a_missing_model_is_named() -> None:
    with pytest.raises(ModelNotFoundError, match="/no/such/model"):
        VLLMServer("/no/such/model")


def test_a_directory_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"config\.json"):
        VLLMServer(tmp_path)


def test_a_taken_port_is_named(vllm_server: VLLMServer, tiny_llama: Path) -> None:
    port = int(vllm_server.root_url.rpartition(":")[2])
    with pytest.raises(PortInUseError, match=str(port)):
        VLLMServer(tiny_llama, port=port).start()


def test_a_fork_that_exits_leaves_the_server_alone(vllm_server: VLLMServer) -> None:
    pid = os.fork()
    if pid == 0:
        vllm_server.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert vllm_server.alive
