"""Only LlamaIndex's default tokenizer is remembered, and packing gives the same chunks."""

from functools import partial
from typing import Any

import pytest
import tiktoken
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.core.utils import get_tokenizer

from ayo_bridge.lift.memo import Remembered
from ayo_llamaindex.packing import remember_tokens


def splitter(tokenizer: Any) -> Any:
    return TokenTextSplitter(chunk_size=12, chunk_overlap=3, tokenizer=tokenizer)


def test_the_chunks_are_the_same() -> None:
    text = "One word, and another word: ein Wort, 字字字, <|endoftext|> the end. " * 30
    plain, remembering = splitter(get_tokenizer()), splitter(get_tokenizer())
    plain.split_text(text)  # The encoding is in use before it is looked at.
    remember_tokens(remembering)
    assert isinstance(remembering._tokenizer, Remembered)
    assert remembering.split_text(text) == plain.split_text(text)


def test_splitters_share_one_memo() -> None:
    first, second = splitter(get_tokenizer()), splitter(get_tokenizer())
    remember_tokens(first)
    remember_tokens(second)
    assert first._tokenizer is second._tokenizer


@pytest.mark.parametrize(
    "tokenizer",
    [
        str.split,
        partial(str.split),
        partial(tiktoken.get_encoding("cl100k_base").encode, disallowed_special=()),
    ],
)
def test_any_other_tokenizer_is_left_alone(tokenizer: Any) -> None:
    own = splitter(tokenizer)
    remember_tokens(own)
    assert own._tokenizer is tokenizer


def test_a_patched_tokenizer_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = get_tokenizer()
    monkeypatch.setattr(tiktoken.Encoding, "encode", lambda self, text, **_: [len(text)])
    own = splitter(tokenizer)
    remember_tokens(own)
    assert own._tokenizer is tokenizer


def test_changed_special_tokens_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer: Any = get_tokenizer()
    monkeypatch.setitem(vars(tokenizer.func.__self__), "special_tokens_set", set())
    own = splitter(tokenizer)
    remember_tokens(own)
    assert own._tokenizer is tokenizer
