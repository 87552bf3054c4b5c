"""What is reported of processes that a signal ends."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.autorun.engines import server
from tests.autorun.running import RUN, ended, started
from tests.deadline import eventually

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGINT)


def test_a_process_that_a_signal_ends_is_reported_once_and_ends_as_it_would(
    tmp_path: Path,
) -> None:
    """SIGINT lets Python say it itself; of the others it hears nothing."""
    wanted = ["--stats", "--timeline", str(tmp_path / "calls.html")]
    words = ["ending.py", "", str(len(SIGNALS))]
    with server(0.02) as stub:
        words[1] = stub.base_url
        run = started([*RUN, *wanted, *words])
        try:
            eventually(lambda: len([*tmp_path.glob("calls-*")]) == len(SIGNALS), "timelines", 90)
            pids = sorted(int(page.stem.partition("-")[2]) for page in tmp_path.glob("calls-*"))
            for pid, number in zip(pids, SIGNALS, strict=True):
                os.kill(pid, number)
            code, out, err = ended(run)
        finally:
            if run.returncode is None:
                for page in tmp_path.glob("calls-*"):  # They hold its output open.
                    with suppress(ProcessLookupError):
                        os.kill(int(page.stem.partition("-")[2]), signal.SIGKILL)
                run.kill()
                run.communicate()
    assert code == 0, err
    assert out.splitlines()[-1] == str(sorted(-number for number in SIGNALS))
    for pid in pids:
        assert err.count(f"ayo-bridge, process {pid}:") == 1, err
    assert err.count("RetrieverQueryEngine: 1 call,") == len(SIGNALS), err
    assert all("RetrieverQueryEngine" in page.read_text() for page in tmp_path.glob("calls-*"))
