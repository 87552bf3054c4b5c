"""What emulated embedding models and rerankers say: near is what has words in common."""

from __future__ import annotations

import base64
import math
import re
from array import array
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from ayo_bridge.serving.emulated.answers import key_of
from ayo_bridge.serving.emulated.fields import Body, RefusedError, invalid
from ayo_bridge.serving.emulated.replies import as_json
from ayo_bridge.serving.emulated.tokens import pieces

DIMENSIONS: Final = 256
_FORMATS: Final = ("float", "base64")
_WORD: Final = re.compile(r"\w{3,}")
_ENDINGS: Final = 6
"""Letters of a word that count: endings do not change much."""


def texts_of(body: Body, name: str) -> list[str]:
    """The texts in a field: one, several, or several as token ids.

    Raises:
        RefusedError: there are none.
    """
    given = body.get(name)
    listed: Sequence[Any] = given if isinstance(given, list) else [given]
    if isinstance(given, list) and listed and isinstance(listed[0], int):
        listed = [listed]
    if not listed or not all(isinstance(each, str | list) and each for each in listed):
        raise RefusedError(f"{name} is to be a text or a list of texts", param=name)
    return [key_of(each) for each in listed]


def check_vectors(body: Body, model: str) -> None:
    """Refuse vectors of another form.

    Raises:
        RefusedError: a request wants some.
    """
    if body.get("encoding_format") not in (None, *_FORMATS):
        raise invalid("Input should be 'float' or 'base64'", "body.encoding_format")
    if body.get("dimensions") is not None:
        raise RefusedError(f"the emulated {model} has {DIMENSIONS} dimensions", param="dimensions")


def query_of(body: Body) -> str:
    """What texts are ranked by.

    Raises:
        RefusedError: there is none.
    """
    query = body.get("query")
    if not isinstance(query, str):
        raise invalid("Input should be a valid string", "body.query")
    return query


def tokens_in(texts: Sequence[str]) -> int:
    """How many tokens texts have."""
    return sum(len(pieces(text)) for text in texts)


def embeddings(body: Body, texts: Sequence[str], model: str, label: str) -> bytes:
    """The reply to a request for vectors: numbers, or base64 of 32-bit floats."""
    coded = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": at, "embedding": _coded(text) if coded else vector(text)}
        for at, text in enumerate(texts)
    ]
    count = tokens_in(texts)
    return as_json(
        {
            "object": "list",
            "model": model,
            "data": data,
            "usage": {"prompt_tokens": count, "total_tokens": count},
            "system_fingerprint": label,
        }
    )


def ranks(body: Body, query: str, texts: Sequence[str], model: str, label: str) -> bytes:
    """The reply to a request for scores: the best first, ``top_n`` of them."""
    asked = Counter(_words(query))
    scored = sorted(((_relevance(asked, text), -at) for at, text in enumerate(texts)), reverse=True)
    most = body.get("top_n")
    results = [
        {"index": -at, "relevance_score": score, "document": {"text": texts[-at]}}
        for score, at in scored[: most if isinstance(most, int) and most > 0 else None]
    ]
    usage = {"total_tokens": tokens_in([query]) * len(texts) + tokens_in(texts)}
    return as_json({"id": label, "model": model, "usage": usage, "results": results})


def vector(text: str) -> list[float]:
    """A unit vector: each word adds to a few of its places, by its name."""
    sums = [0.0] * DIMENSIONS
    for word, count in Counter(_words(text)).items():
        weight = 1.0 + math.log(count)
        for place, sign in _places(word):
            sums[place] += sign * weight
    length = math.sqrt(sum(value * value for value in sums)) or 1.0
    return array("f", (value / length for value in sums)).tolist()


def _coded(text: str) -> str:
    return base64.b64encode(array("f", vector(text)).tobytes()).decode("ascii")


def _words(text: str) -> list[str]:
    return [word[:_ENDINGS] for word in _WORD.findall(text.lower())]


@lru_cache(maxsize=65536)
def _places(word: str) -> tuple[tuple[int, float], ...]:
    digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return tuple((byte % DIMENSIONS, 1.0 if byte & 1 else -1.0) for byte in digest)


def _relevance(asked: Counter[str], text: str) -> float:
    """Between 0 and 1: how many of the words asked for a text has, the more of its own the less."""
    found = Counter(_words(text))
    shared = sum(min(count, found[word]) for word, count in asked.items())
    return shared / math.sqrt(1 + asked.total()) / math.sqrt(1 + found.total())
