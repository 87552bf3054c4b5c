"""Events come out whole, however the bytes are cut."""

from hypothesis import given
from hypothesis import strategies as st

from ayo_bridge.engines.openai_http.sse import EventParser

STREAM = (
    'data: {"a":"ü"}\n\n: keep-alive\n\ndata:two\r\n\r\nid: 3\ndata: x\ndata: y\n\ndata: [DONE]\n\n'
)
EVENTS = ['{"a":"ü"}', "two", "x\ny", "[DONE]"]


@given(st.lists(st.integers(min_value=0, max_value=len(STREAM.encode())), max_size=10))
def test_any_cut_gives_the_same_events(cuts: list[int]) -> None:
    raw = STREAM.encode()
    parser = EventParser()
    found: list[str] = []
    start = 0
    for end in [*sorted(cuts), len(raw)]:
        found += parser.feed(raw[start:end])
        start = end
    assert found == EVENTS
