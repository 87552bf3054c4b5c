"""Unchanged programs under `ayo-bridge run`: as they are, and with requests that overlap."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from ayo_bridge.autorun.launch import environment
from tests.autorun.running import OFF, PLAIN, RUN, ended, started
from tests.stub_openai import StubOpenAI

REPOSITORY = Path(__file__).resolve().parents[2]


def test_an_unchanged_langchain_application_says_the_same_and_only_its_requests_overlap() -> None:
    name = "langchain_app.py"
    with ExitStack() as stack:
        stubs = [stack.enter_context(StubOpenAI(latency=0.1)) for _ in range(3)]
        plain, fast, off = (
            ended(process)
            for process in [
                started([sys.executable, name, stubs[0].base_url]),
                started([*RUN, name, stubs[1].base_url]),
                started([*RUN, "--explain", name, stubs[2].base_url], env=OFF),
            ]
        )
        assert plain[2].endswith("ValueError: what the application raises\n"), plain
        assert plain == fast == off
        assert [stub.max_in_flight > 1 for stub in stubs] == [False, True, False]
        asked = [sorted(request.prompt for request in stub.calls) for stub in stubs]
        assert asked[0] == asked[1] == asked[2]


def test_so_does_one_of_llama_index_and_what_was_done_is_told_apart_from_it(
    tmp_path: Path,
) -> None:
    name, page = "llama_index_app.py", tmp_path / "calls.html"
    wanted = ["--explain", "--stats", "--timeline", str(page), "--log", "info"]
    with StubOpenAI(latency=0.1) as stub, StubOpenAI(latency=0.1) as other:
        as_it_is = started([sys.executable, name, stub.base_url])
        run = started([*RUN, *wanted, name, other.base_url])
        plain, fast = ended(as_it_is), ended(run)
        assert (plain[0], plain[2]) == (0, ""), plain
        assert fast[:2] == plain[:2]
        assert (stub.max_in_flight, other.max_in_flight) == (1, 4)
    assert "RetrieverQueryEngine is accelerated (query, aquery)" in fast[2]
    engine = f"llm:stub@{other.root_url.removeprefix('http://')}"
    assert f"LLM     {engine}            4 " in fast[2], fast[2]
    assert "RetrieverQueryEngine" in page.read_text()


@pytest.mark.parametrize("how", ["raise", "exit", "killed", "--stats"])
def test_arguments_input_output_traceback_and_exit_status_are_the_programs(how: str) -> None:
    words = ["plain_app.py", how, "--explain", "-m"]
    as_it_is, run = started([sys.executable, *words], "input"), started([*RUN, *words], "input")
    assert ended(run) == ended(as_it_is)
    assert as_it_is.returncode == {"raise": 1, "exit": 7, "killed": -15}.get(how, 0)


def test_a_module_and_a_command_run_as_they_would() -> None:
    as_module = ["-m", "plain_app", "exit", "--stats"]
    as_it_is, run = started([sys.executable, *as_module]), started([*RUN, *as_module])
    command = started([*RUN, "--", sys.executable, "plain_app.py", "exit"])
    nothing = started([*RUN, "--", "no-such-command"])
    assert ended(run) == ended(as_it_is)
    assert ended(command)[0] == 7
    code, out, err = ended(nothing)
    assert (code, out) == (1, "")
    assert err.strip() == ("AyoBridgeError: cannot run no-such-command: No such file or directory")


def test_children_inherit_it_and_import_nothing_for_it() -> None:
    run = started([*RUN, "plain_app.py", "child"])
    assert ended(run)[1].splitlines()[-1] == "['ayo_bridge.autorun.start']"


def test_a_sitecustomize_of_the_program_runs_and_is_the_one_it_sees(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('its own')\nmark = 1\n")
    code = "import sitecustomize, sys; print(sitecustomize.mark, sys.path)"
    env = PLAIN | {"PYTHONPATH": str(tmp_path)}
    as_it_is = started([sys.executable, "-c", code], env=env)
    run = started([sys.executable, "-c", code], env=environment({}, env, pth=False))
    assert ended(run) == ended(as_it_is)
    assert as_it_is.returncode == 0


def test_the_line_in_the_wheel_starts_it_only_where_it_is_wanted() -> None:
    """A folder's `.pth` files run as those of site-packages do."""
    code = (
        "import site, sys; before = {*sys.modules}; site.addsitedir(sys.argv[1]);"
        "print(sorted(name for name in {*sys.modules} - before if 'ayo' in name))"
    )
    # -S: an installed line has not run before this one does.
    command = [sys.executable, "-S", "-c", code, str(REPOSITORY)]
    plain, on = started(command), started(command, env=PLAIN | {"AYO_BRIDGE": "1"})
    off = started(command, env=OFF)
    assert ended(plain)[1:] == ended(off)[1:] == ("[]\n", "")
    assert "'ayo_bridge.autorun.start'" in ended(on)[1]
    config = (REPOSITORY / "pyproject.toml").read_text()
    assert '"ayo_bridge_start.pth" = "ayo_bridge_start.pth"' in config
