"""Children of every kind, made by a process that has used what they use."""

import sys

from tests.autorun.engines import server
from tests.autorun.running import RUN, asked, ended, started


def test_what_a_process_has_used_its_children_use_as_without() -> None:
    with server(0.02) as stub, server(0.02) as other:
        words = ["fork", "spawn", "forkserver"]
        as_it_is = started([sys.executable, "children.py", stub.base_url, *words])
        run = started([*RUN, "children.py", other.base_url, *words])
        plain, fast = ended(as_it_is, 200), ended(run, 200)
        assert plain[0] == 0, plain
        assert fast == plain
        once = [[each for each in asked(s) if "busy" not in str(each)] for s in (stub, other)]
        assert once[0] == once[1]
