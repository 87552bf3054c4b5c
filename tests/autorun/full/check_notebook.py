"""A notebook in a kernel of its own, with the magic first or the switch in the environment."""

import sys

import pytest

from tests.autorun.engines import server
from tests.autorun.running import ON, PLAIN, asked, ended, started
from tests.autorun.test_servers import overlap_at_first


@pytest.mark.parametrize("how", ["magic", "environment"])
def test_a_notebook_puts_out_the_same(how: str) -> None:
    cells, env = (["%load_ext ayo_bridge"], PLAIN) if how == "magic" else ([], ON)
    command = [sys.executable, "notebook.py", "once"]
    with server(0.05) as stub, server(0.05) as other:
        as_it_is = started(command, env=PLAIN | {"LLM_URL": stub.base_url})
        run = started([*command, *cells], env=env | {"LLM_URL": other.base_url})
        plain, fast = ended(as_it_is, 110), ended(run, 110)
        assert plain[0] == 0, plain
        assert plain == fast
        assert asked(stub) == asked(other)
        assert [overlap_at_first(each.calls) for each in (stub, other)] == [False, True]
