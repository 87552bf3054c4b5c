"""Searches by the clients of real stores, made ahead: found as the original finds, never stale."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge.lift.store_clients import ClientSearch
from ayo_bridge.lift.writes import BeingWrittenError, clock_of
from ayo_bridge.profile import ProfileStore
from ayo_bridge.runahead import Scope
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import Call, Outcome, entered
from tests.adapters.llamaindex.stores import ahead, outcomes
from tests.lift.store_clients.places import PLACES, Place, chroma, faiss, qdrant, vector
from tests.scopes import open_scope

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
WRITES = [
    *(("chroma", way) for way in ("collection", "other-client")),
    *(("qdrant", way) for way in ("upsert", "other-client")),
    ("qdrant-batch", "upsert"),
    *(("faiss", way) for way in ("index", "other-object", "below-the-methods")),
    ("faiss-mapped", "index"),
    *(("milvus", way) for way in ("insert", "other-client")),
]


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path / "profiles"))
    yield made
    made.close()


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    made = PLACES[request.param](tmp_path)
    assert made.binding.install(), made.binding.status
    return made


def call(place: Place, runtime: Runtime, *, filtered: bool = False) -> Call:
    asked = place.filtered if filtered else place.asked
    assert asked is not None
    engine = place.clients.engine(place.client, runtime)
    return place.clients.call(engine, place.client, place.method, *asked(vector(3)))


def made_ahead(place: Place, runtime: Runtime, *, filtered: bool = False) -> Scope:
    engine = place.clients.engine(place.client, runtime)
    scope, _ = ahead(runtime, engine, lambda _: [call(place, runtime, filtered=filtered)])
    return scope


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_a_search_made_ahead_is_what_the_original_would_have_found(
    place: Place, runtime: Runtime
) -> None:
    assert place.clients.refusal(place.client, place.binding) is None
    args, kwargs = place.asked(vector(3))
    expected = getattr(place.client, place.method)(*args, **kwargs)
    scope = made_ahead(place, runtime)
    with entered(scope):
        found = getattr(place.client, place.method)(*args, **kwargs)
        assert place.search(place.asked(vector(5))) == place.search(place.asked(vector(5)))
    assert type(found) is type(expected)
    assert repr(found) == repr(expected)
    assert outcomes(scope) == [Outcome.HIT, Outcome.DIRECT, Outcome.DIRECT]


@pytest.mark.parametrize("place", ["chroma", "qdrant", "milvus"], indirect=True)
def test_a_filter_is_part_of_what_is_asked(place: Place, runtime: Runtime) -> None:
    assert place.filtered is not None
    scope = made_ahead(place, runtime, filtered=True)
    with entered(scope):
        plain = place.search(place.asked(vector(3)))
        among = place.search(place.filtered(vector(3)))
    assert min(among) > 4
    assert among != plain
    assert outcomes(scope) == [Outcome.HIT, Outcome.DIRECT]


@pytest.mark.parametrize("place", ["chroma", "qdrant", "milvus"], indirect=True)
def test_a_search_that_is_told_as_data_is_made_of_them_again(
    place: Place, runtime: Runtime
) -> None:
    assert place.clients.learnable is not None
    assert place.filtered is not None
    learnable = place.clients.learnable(place.clients, place.method)
    args, kwargs = place.asked(vector(3))
    told = learnable.boundary_call("engine", place.client, args, kwargs)
    assert told is not None
    assert told.remake is not None
    key = place.clients.key(place.method, "engine", place.client, args, kwargs)
    assert told.remake(place.client, told.request()).key == key
    found = getattr(place.client, place.method)(*args, **kwargs)
    assert [int(item.id) for item in told.answer(found).items or ()] == place.ids(found)
    args, kwargs = place.filtered(vector(3))
    among = learnable.boundary_call("engine", place.client, args, kwargs)
    assert among is not None
    assert among.remake is None


@pytest.mark.parametrize(("place", "way"), WRITES, indirect=["place"])
def test_what_was_found_before_a_write_is_not_given_out_after_it(
    place: Place, way: str, runtime: Runtime
) -> None:
    scope = made_ahead(place, runtime)
    before = place.search(place.asked(vector(3)))
    place.writes[way]()
    with entered(scope):
        after = place.search(place.asked(vector(3)))
    assert after != before
    assert after[0] in (3, 9)  # FAISS counts: what is added last is 9.
    assert outcomes(scope) == [Outcome.AHEAD, Outcome.DIRECT]


def test_a_collection_that_is_gone_is_not_found_in(tmp_path: Path, runtime: Runtime) -> None:
    place = chroma(tmp_path)
    place.binding.install()
    scope = made_ahead(place, runtime)
    assert place.remove is not None
    place.remove(place.client.name)
    with entered(scope), pytest.raises(Exception, match="does not exist"):
        place.search(place.asked(vector(3)))


def test_how_thoroughly_an_index_looks_is_part_of_what_is_asked(
    tmp_path: Path, runtime: Runtime
) -> None:
    import faiss as library

    place = PLACES["faiss-mapped"](tmp_path)
    inner: Any = library.downcast_index(place.client.index)
    before = call(place, runtime).key
    inner.hnsw.efSearch += 1
    assert call(place, runtime).key != before


@pytest.mark.parametrize("made", [faiss, qdrant])
def test_a_write_waits_for_a_search_ahead_and_none_begins_meanwhile(
    made: type, tmp_path: Path, runtime: Runtime
) -> None:
    place: Place = made(tmp_path)
    place.binding.install()
    search = call(place, runtime).payload
    assert isinstance(search, ClientSearch)
    writing = threading.Thread(target=next(iter(place.writes.values())))
    with place.clients.reading(place.client):
        writing.start()
        clock = clock_of((place.clients.library, place.clients.place(place.client)))
        while not clock._open:
            writing.join(0.001)
        with pytest.raises(BeingWrittenError):
            search.run()
        assert len(place.search(place.asked(vector(3)))) == 3  # The original's own waits for none.
        assert writing.is_alive()
    writing.join(10)
    assert not writing.is_alive()
    search.run()


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_searches_in_many_threads_find_what_one_finds(place: Place) -> None:
    asked = [place.asked(vector(number)) for number in range(10)]
    expected = [place.search(each) for each in asked]
    found: list[list[list[int]]] = []
    threads = [
        threading.Thread(target=lambda: found.append([place.search(each) for each in asked]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_what_is_not_known_is_left_alone(tmp_path: Path, runtime: Runtime) -> None:
    import faiss as library

    place = faiss(tmp_path)
    place.binding.install()
    engine = place.clients.engine(place.client, runtime)
    index = library.index_factory(8, "PCA4,Flat")
    reason = place.clients.refusal(index, place.binding)
    assert reason == "IndexPreTransform is not searched ahead"
    assert place.clients.unknown(None) == "NoneType is not searched ahead"
    place.client.search = lambda *args: None
    assert "replaced on the instance" in str(place.clients.refusal(place.client, place.binding))
    del place.client.search
    given = {"params": library.SearchParameters()}
    (x, k), _ = place.asked(vector(3))
    with pytest.raises(ValueError, match="no identity"):
        place.clients.call(engine, place.client, "search", (x, k), given)
    with entered(open_scope(runtime)):
        place.client.search(x, k, **given)


def test_a_scope_without_results_ahead_changes_nothing(tmp_path: Path, runtime: Runtime) -> None:
    place = chroma(tmp_path)
    place.binding.install()
    before = place.search(place.asked(vector(3)))
    scope = open_scope(runtime)
    with entered(scope):
        assert place.search(place.asked(vector(3))) == before
        with pytest.raises(TypeError):
            place.client.query(unknown=1)
    assert outcomes(scope)[0] is Outcome.DIRECT
