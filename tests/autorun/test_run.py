"""Programs without a framework under `ayo-bridge run`: in everything as they are."""

import sys
from pathlib import Path

import pytest

from ayo_bridge.autorun.launch import environment
from tests.autorun.running import OFF, PLAIN, RUN, ended, started

REPOSITORY = Path(__file__).resolve().parents[2]


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


def test_children_inherit_it_and_import_nothing_for_it_or_nothing_at_all() -> None:
    run = started([*RUN, "plain_app.py", "child"])
    off = started([*RUN, "--explain", "--stats", "plain_app.py", "child"], env=OFF)
    assert ended(run)[1].splitlines()[-1] == "['ayo_bridge.autorun.start']"
    code, out, err = ended(off)
    assert (code, out.splitlines()[-1], err) == (0, "[]", "on its way out\n")


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
