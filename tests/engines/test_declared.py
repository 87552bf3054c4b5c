"""Engines that are declared, in a program or in a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ayo_bridge import LLM, Embedding, RayActor, Reranker, Runtime, SharedProcess
from ayo_bridge.cli import app
from ayo_bridge.doctor.servers import check_servers, known_servers
from ayo_bridge.doctor.settings import check_settings
from ayo_bridge.engines.declared_file import read_engines
from ayo_bridge.engines.openai_http import OpenAIServer
from ayo_bridge.engines.openai_http.embedding_server import EmbeddingServer, RerankServer
from ayo_bridge.errors import ArgumentError
from ayo_bridge.seam import BatchEngine, Call, Engine, EngineKind, Limits
from ayo_bridge.serving.ports import free_port
from tests.stub_openai import StubOpenAI

ONE, TWO = "http://a:8000/v1", "http://b:8000/v1"
MODEL = "[[reranker]]\nmodel = 'm'\nplacement"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": ""}, "model of an LLM is to be the name of a model, not ''"),
        ({"urls": []}, "urls of an LLM is empty: name the base URL of each replica"),
        ({"urls": ONE}, f"urls of an LLM is to be a list of base URLs, not '{ONE}'"),
        (
            {"urls": [ONE, "b:8000"]},
            "urls of an LLM holds 'b:8000', which is no http URL like http://10.0.0.1:8000/v1",
        ),
        (
            {"urls": ["ftp://b/v1"]},
            "urls of an LLM holds 'ftp://b/v1', which is no http URL like http://10.0.0.1:8000/v1",
        ),
        (
            {"urls": ["http://b b/v1"]},
            "urls of an LLM holds 'http://b b/v1', which is no http URL like "
            "http://10.0.0.1:8000/v1",
        ),
        (
            {"urls": ["http://b/v1\nx"]},
            "urls of an LLM holds 'http://b/v1\\nx', which is no http URL like "
            "http://10.0.0.1:8000/v1",
        ),
        ({"urls": ["http://b|c/v1"]}, "urls of an LLM holds 'b|c', which is no name of a host"),
        ({"urls": ["http://A/v1", "http://a:80/v1/"]}, "urls of an LLM holds a:80 twice"),
        (
            {"urls": ["http://" + "ä" * 64 + "/v1"]},
            f"urls of an LLM holds '{'ä' * 64}', which is no name of a host",
        ),
        ({"urls": [ONE, "http://A:8000/v1/"]}, "urls of an LLM holds a:8000 twice"),
        (
            {"urls": [ONE, "https://b:8000/v1"]},
            "urls of an LLM are to be alike but for host and port: http://a:8000/v1 and "
            "https://b:8000/v1 are not",
        ),
        (
            {"urls": ["http://me:secret@a/v1"]},
            "urls of an LLM holds http://a/v1 with credentials, a query or a fragment: leave those",
        ),
        (
            {"routing": "random"},
            'routing of an LLM is to be one of "prefix", "least_delay", "least_outstanding", '
            '"round_robin", "external", not \'random\'',
        ),
        (
            {"routing": "external"},
            'urls of an LLM of routing="external" is to be one, that of the router',
        ),
        (
            {"hints": "all"},
            'hints of an LLM is to be one of "none", "agentic_context", "agent_hints", not \'all\'',
        ),
        ({"hints": "agent_hints"}, 'hints of an LLM are for a router: take routing="external"'),
        ({"session": "a b"}, "session of an LLM is to be the name of a header, not 'a b'"),
    ],
)
def test_a_declaration_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{re.escape(sentence)}$"):
        LLM(**{"model": "m", "urls": [ONE, TWO], **options})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[llm]", "is no TOML"),
        ("[[judge]]", "judge is no kind of engine: take [[llm]], [[embedding]], [[reranker]]"),
        ("[llm]\nmodel = 'm'", "llm is to be a list of tables: write [[llm]]"),
        ("[[llm]]\nmodel = 'm'", "llm[0].urls is missing"),
        (f"[[llm]]\nmodel = 'm'\nurl = '{ONE}'", "llm[0].url is no setting: take model, urls"),
        (f"[[llm]]\nmodel = 'm'\nurls = '{ONE}'", "llm[0].urls is to be a list of base URLs"),
        (f"[[llm]]\nmodel = 3\nurls = ['{ONE}']", "llm[0].model is to be the name of a model"),
        ("", 'declares no engine: write [[llm]] and below it model = "MODEL" and urls = ["http:'),
        ("# [[llm]]\n", "declares no engine"),
        ("llm = []", "declares no engine"),
        ("llm = [3]", "llm is to be a list of tables: write [[llm]]"),
        ("[[llm]]", "llm[0].model is missing"),
        (f"n = {'9' * 5000}", "is no TOML"),
        (f"n = {'[' * 9999}", "is no TOML"),
        (f"[[llm]]\nmodel = 'm'\nmodel = 'n'\nurls = ['{ONE}']", "is no TOML"),
        (f"[[llm]]\nmodel = 'm'\nurls = ['{ONE}', 3]", "llm[0].urls holds 3, which is no http URL"),
        (f"[[llm]]\nmodel = 'm'\nurls = ['{ONE}']\nhints = 3", "llm[0].hints is to be one of"),
        (f"[[llm]]\nmodel = 'm'\nurls = ['{ONE}']\nrouting = {{}}", "llm[0].routing is to be one"),
        (
            f"[[llm]]\nmodel = 'm'\nurls = ['{ONE}']\n[[llm]]\nmodel = 'm'\nurls = ['{TWO}']",
            f"'m' is declared twice: llm[0] (urls {ONE}; routing prefix) and "
            f"llm[1] (urls {TWO}; routing prefix): name all URLs in one of them",
        ),
        (
            f"{MODEL} = 'ray_actor'\n[[embedding]]\nmodel='m'\nplacement = 'ray_actor'\n"
            f"{MODEL} = 'shared_process'",
            "'m' is declared twice: reranker[0] (model m; placement RayActor(",
        ),
        (
            f"{MODEL} = 'ray_actor'\nload = {{source = 'n'}}",
            "reranker[0].load.source is no argument of the library's",
        ),
        ("[[embedding]]\nmodel = 'm'", "embedding[0] says neither placement nor urls"),
        (f"{MODEL} = 'gpu'", 'placement is to be "shared_process" or "ray_actor", or one table of'),
        (f"{MODEL} = {{ray_actor = {{gpus = 1}}}}", "placement.ray_actor.gpus is no setting: take"),
        (f"{MODEL} = {{ray_actor = {{replicas = 0}}}}", "replicas is to be at least 1, not 0"),
        (
            f"{MODEL} = {{ray_actor = {{resources = {{TPU = 'all'}}}}}}",
            "ray_actor.resources.TPU is to be a number, not 'all'",
        ),
        (f"{MODEL} = {{shared_process = {{grace = true}}}}", "grace is to be a number, not True"),
        (f"{MODEL} = {{shared_process = {{grace = nan}}}}", "stays for 0 seconds or more"),
        (f"{MODEL} = {{ray_actor = {{num_gpus = -1}}}}", "num_gpus is to be 0 or more, not -1"),
        (
            f"{MODEL} = 'ray_actor'\nload = {{urls = []}}",
            "reranker[0].load.urls is no argument of the library's",
        ),
        (f"{MODEL} = 'ray_actor'\nload = 'x'", "reranker[0].load is to be a table, not 'x'"),
        (
            f"[[reranker]]\nmodel = 'm'\nurls = ['{ONE}']\nrouting = 'prefix'",
            'reranker[0].routing is to be one of "least_delay", "least_outstanding", "round_robin"',
        ),
        (
            f"{MODEL} = 'ray_actor'\nurls = ['{ONE}']",
            "reranker[0].placement is no setting: take model, urls, routing",
        ),
    ],
)
def test_a_file_is_refused_by_its_name_and_key(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "engines.toml"
    file.write_text(text)
    with pytest.raises(ArgumentError, match=re.escape(sentence)) as refused:
        read_engines(file)
    assert str(refused.value).startswith(str(file))


def test_a_file_of_an_editor_with_other_encodings_is_read_or_refused(tmp_path: Path) -> None:
    file, text = tmp_path / "engines.toml", f"[[llm]]\r\nmodel = 'm'\r\nurls = ['{ONE}']\r\n"
    file.write_bytes(text.encode("utf-8-sig"))
    assert read_engines(file) == (LLM("m", [ONE]),)
    for wrong in (text.encode("utf-16"), text.replace("m'", "mü'").encode("latin-1")):
        file.write_bytes(wrong)
        with pytest.raises(ArgumentError, match="is no text in UTF-8: save it as that"):
            read_engines(file)
    with pytest.raises(ArgumentError, match="cannot be read: Is a directory"):
        read_engines(tmp_path)


class Echo(BatchEngine):
    """An engine of the user's own."""

    kind, limits = EngineKind.RERANKER, Limits()

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        return [call.payload for call in calls]


SHARED = SharedProcess()


@pytest.mark.parametrize(
    ("one", "two", "sentence"),
    [
        (
            LLM("m", [ONE]),
            LLM("m", [TWO], "round_robin"),
            f"'m' is declared twice: LLM (urls {ONE}; routing prefix) and LLM (urls {TWO}; "
            "routing round_robin): name all URLs in one of them",
        ),
        (
            Embedding("m", placement=SHARED),
            Embedding("m", placement=SHARED, revision="1"),
            f"'m' is declared twice: Embedding (model m; placement {SHARED}) and Embedding "
            f"(model m; placement {SHARED}; revision '1'): keep one of them",
        ),
        (
            Embedding("m", placement=SHARED),
            Embedding("m", urls=[ONE]),
            f"'m' is declared twice: Embedding (model m; placement {SHARED}) and Embedding "
            f"(urls {ONE}; routing least_delay): keep one of them",
        ),
        (
            Reranker("a/m", placement=SHARED),
            Reranker("b/m", placement=SHARED),
            "the engine 'reranker:m' is declared twice: Reranker (model a/m; placement "
            f"{SHARED}) and Reranker (model b/m; placement {SHARED}): keep one of them",
        ),
        (
            Echo("reranker:m"),
            Reranker("m", placement=SHARED),
            "the engine 'reranker:m' is declared twice: Echo and Reranker (model m; placement "
            f"{SHARED}): keep one of them",
        ),
    ],
)
def test_a_model_is_declared_once(one: Any, two: Any, sentence: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{re.escape(sentence)}$"):
        Runtime(engines=[one, LLM("other", [ONE]), two])
    assert len(Runtime(engines=[one, one]).replicated.all) == isinstance(one, LLM)


def test_of_two_kinds_or_at_one_address_there_may_be_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Engine | LLM] = [LLM("m", [ONE]), LLM("n", [ONE]), Embedding("m", urls=[ONE])]
    served += [Embedding("a/m", urls=[ONE]), Reranker("m", placement=SHARED)]
    runtime = Runtime(engines=served)
    assert len(runtime.replicated.all) == 4
    file = tmp_path / "engines.toml"
    file.write_text(f"{MODEL} = 'ray_actor'\n")
    monkeypatch.setenv("AYO_ENGINES", str(file))
    own = Echo("reranker:m")  # What the program says comes before what its environment does.
    assert Runtime(engines=[own]).engine("reranker:m") is own


def test_a_file_in_the_environment_is_for_runtimes_that_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "engines.toml"
    file.write_text(f'[[llm]]\nmodel = "m"\nurls = ["{ONE}", "{TWO}"]\nrouting = "round_robin"\n')
    assert read_engines(file) == (LLM("m", [ONE, TWO], "round_robin"),)
    monkeypatch.setenv("AYO_ENGINES", str(file))
    assert [each.declared.model for each in Runtime().replicated.all] == ["m"]
    own = Runtime(engines=[LLM("own", [ONE])])
    assert [each.declared.model for each in own.replicated.all] == ["own"]
    monkeypatch.setenv("AYO_ENGINES", str(tmp_path / "no-such.toml"))
    with pytest.raises(ArgumentError, match=r"no-such\.toml cannot be read"):
        Runtime()
    ran = CliRunner().invoke(app, ["run", "app.py"])
    assert ran.exit_code == 1
    assert "no-such.toml cannot be read" in ran.output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "placement is to be SharedProcess(...) or RayActor(...), or give urls, not None"),
        ({"placement": SharedProcess(), "routing": "round_robin"}, "routing is for a model at"),
        (
            {"urls": [ONE], "placement": SharedProcess(), "revision": "1"},
            "a model at urls is loaded there: leave placement, revision",
        ),
        ({"urls": []}, "urls of an Embedding is empty"),
    ],
)
def test_a_model_is_placed_or_at_servers(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{re.escape(sentence)}"):
        Embedding("m", **options)


def test_a_file_declares_models_and_where_they_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "engines.toml"
    file.write_text(
        f"""
        [[embedding]]
        model = "org/placed"
        placement = "shared_process"
        load = {{ revision = "1" }}
        [[reranker]]
        model = "org/ranks"
        [reranker.placement.ray_actor]
        num_gpus = 0.5
        resources = {{ TPU = 1 }}
        [[embedding]]
        model = "served"
        urls = ["{ONE}", "{TWO}"]
        """
    )
    monkeypatch.setenv("AYO_ENGINES", str(file))
    runtime = Runtime()
    placed, ranks = runtime.engine("embedding:placed"), runtime.engine("reranker:ranks")
    assert isinstance(placed, Embedding)
    assert (placed.placement, placed.load) == (SharedProcess(), {"revision": "1"})
    assert isinstance(ranks, Reranker)
    assert ranks.placement == RayActor(num_gpus=0.5, resources=(("TPU", 1),))
    assert runtime.engine("embedding:served") is None
    assert [each.declared.model for each in runtime.replicated.all] == ["served"]
    said = next(check.what for check in check_settings() if "AYO_ENGINES=" in check.what)
    assert "declares embedding:placed in a shared process; 2 replicas of served, routing" in said
    assert "least_delay; reranker:ranks in Ray actors, where a Runtime" in said


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ("m", "change takes an LLM, or an Embedding or Reranker with urls, not m"),
        (Embedding("m", placement=SHARED), "change takes an LLM, or an Embedding or Reranker with"),
        (LLM("n", [ONE]), "no replicas of 'n' are declared: name them where the Runtime is made"),
        (Reranker("m", urls=[ONE]), "no replicas of 'm' are declared"),
        (LLM("m", [ONE], "prefix"), "routing of 'm' is \"round_robin\": it stays while calls are"),
        (
            LLM("m", ["http://c:8000/v2"], "round_robin"),
            f"urls of 'm' are to be alike but for host and port: {ONE} and http://c:8000/v2",
        ),
        (
            LLM("m", [ONE.replace("http", "https")], "round_robin"),
            f"urls of 'm' are to be alike but for host and port: {ONE} and https://a:8000/v1 are",
        ),
        (
            LLM("r", [TWO], "external"),
            "requests for 'r' go where your application sends them, to its router: add and remove",
        ),
    ],
)
def test_a_change_that_could_not_be_is_refused(changed: Any, sentence: str) -> None:
    declared = [LLM("m", [ONE, TWO], "round_robin"), LLM("r", [ONE], "external")]
    runtime = Runtime(engines=declared)
    with pytest.raises(ArgumentError, match=f"^{re.escape(sentence)}"):
        runtime.change(changed)
    assert [each.declared for each in runtime.replicated.all] == declared


def test_replicas_of_embedding_models_and_rerankers_are_theirs_alone() -> None:
    runtime = Runtime(engines=[Embedding("m", urls=[ONE, TWO]), Reranker("r", urls=[ONE, TWO])])
    for engine, found in (
        (EmbeddingServer("embedding:m@a:8000", ONE), "m"),
        (EmbeddingServer("embedding:TEI embed@a:8000", "http://a:8000"), "m"),
        (EmbeddingServer("embedding:other@a:8000", ONE), ""),
        (RerankServer("reranker:unknown model@b:8000", TWO), "r"),
        (RerankServer("reranker:m@a:8000", ONE), ""),
        (OpenAIServer("llm:m@a:8000", ONE), ""),
    ):
        runtime.register(engine)
        routes: Any = runtime.routes(engine.name)
        assert (routes.declared.model if routes is not None else "") == found, engine.name
    with pytest.raises(ArgumentError, match=r"pass it to Runtime\(engines="):
        runtime.register(Embedding("m", urls=[ONE]))


def test_replicas_are_those_of_a_model_at_one_of_the_addresses() -> None:
    runtime = Runtime(engines=[LLM("m@1", [ONE, TWO])])
    for name, url, found in (
        ("llm:m@1@a:8000", ONE, True),
        ("llm:m@1@b:8000", TWO, True),
        ("llm:m@1@c:8000", "http://c:8000/v1", False),
        ("llm:other@a:8000", ONE, False),
    ):
        runtime.register(OpenAIServer(name, url))
        assert (runtime.routes(name) is not None) is found
    assert "16 calls ahead" in runtime.load("a:8000").description
    assert "8 calls ahead" in runtime.load("c:8000").description


def test_the_doctor_asks_each_replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, gone = tmp_path / "engines.toml", f"http://127.0.0.1:{free_port()}/v1"
    with StubOpenAI() as stub:
        file.write_text(f'[[llm]]\nmodel = "stub"\nurls = ["{stub.base_url}", "{gone}"]\n')
        monkeypatch.setenv("AYO_ENGINES", str(file))
        servers = [check.what for check in check_servers(known_servers())]
    assert f"{stub.base_url} answers, model stub" in servers
    assert any(what.startswith(f"{gone} does not answer") for what in servers)
    said = next(check.what for check in check_settings() if "AYO_ENGINES=" in check.what)
    assert "declares 2 replicas of stub, routing prefix" in said
