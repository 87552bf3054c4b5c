"""Each application in processes of its own, in three arms."""

import sys
from contextlib import ExitStack

import pytest

from tests.autorun.engines import server
from tests.autorun.running import OFF, PLAIN, RUN, asked, ended, started
from tests.autorun.test_apps import APPS

ARMS = (([sys.executable], PLAIN), (RUN, PLAIN), (RUN, OFF))
ALL = {name: number for apps in APPS.values() for name, number in apps.items()}


@pytest.mark.parametrize("app", ALL)
def test_an_application_says_and_asks_the_same_and_its_requests_overlap(app: str) -> None:
    with ExitStack() as stack:
        stubs = [stack.enter_context(server(0.1, 0.02)) for _ in ARMS]
        processes = [
            started([*command, f"{app}.py", stub.base_url, str(ALL[app])], env=env)
            for stub, (command, env) in zip(stubs, ARMS, strict=True)
        ]
        plain, fast, off = (ended(process, 200) for process in processes)
        assert plain[0] == 0, plain
        assert plain == fast == off
        assert [stub.max_in_flight > 1 for stub in stubs] == [False, True, False]
        assert asked(stubs[0]) == asked(stubs[1]) == asked(stubs[2])
