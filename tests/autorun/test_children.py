"""Processes that an accelerated one forks or spawns: they answer as without, and never hang."""

from collections import Counter

from tests.autorun.engines import answer, server
from tests.autorun.running import RUN, ended, started


def test_what_a_process_has_used_its_children_use_too_and_ask_for_it_once_each() -> None:
    """Each answer is one of the server's, and no answer was given that nobody has said."""
    with server(0.02) as stub:
        command = [*RUN, "children.py", stub.base_url, "fork", "spawn"]
        code, out, err = ended(started(command), 110)
        assert (code, err) == (0, "")
        texts = [answer(request.body) for request in stub.calls if "busy" not in request.prompt]
        said = [line.partition(": ")[2] for line in out.splitlines() if "Response " in line]
        kinds = [line.partition(":")[0] for line in out.splitlines() if ": Response 1: " in line]
        assert Counter(words.split("Response 1: ")[-1] for words in said) == Counter(texts)
        assert {"in a call", "fork", "fork, a loop", "spawn", "spawn, a loop"} <= {*kinds}
        assert stub.max_in_flight > 4  # Two threads ask for one answer at a time, as children do.
