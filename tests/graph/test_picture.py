import json

from ayo_bridge.graph import (
    Graph,
    Op,
    Opaque,
    Primitive,
    Searching,
    Template,
    decompose,
    mermaid,
    picture,
    to_json,
)

GRAPH = decompose(
    Template.chain(
        Opaque(name="log", inputs=("question",)),
        Searching(name="s", embedding="bge", store="pg", queries=2),
    )
)


def test_picture_marks_effects_sizes_and_order_only_edges() -> None:
    assert picture(GRAPH) == (
        "inputs: question\n"
        "3  log.host  host            unknown  <- question\n"
        "2  s.embed   embedding  bge  2 items  <- question, (log.host)\n"
        "1  s.search  searching  pg   2 items  <- s.embed\n"
    )


def test_picture_of_nothing() -> None:
    assert picture(Graph([])) == "inputs: \n"


def test_mermaid_draws_order_only_edges_dotted_and_escapes() -> None:
    assert "p0 -.-> p1" in mermaid(GRAPH)
    assert "p1 --> p2" in mermaid(GRAPH)
    assert "i0 --> p0" in mermaid(GRAPH)
    strange = Graph([Primitive('a"<b>', Op.HOST, "c")])
    assert "a&quot;&lt;b>" in mermaid(strange)


def test_json_has_plain_types_only() -> None:
    data = to_json(GRAPH)
    assert json.loads(json.dumps(data)) == data
    assert data["edges"] == [
        {"source": "s.embed", "target": "s.search", "value": "s.vectors"},
        {"source": "log.host", "target": "s.embed", "value": None},
    ]
