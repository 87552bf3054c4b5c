"""What the servers and workers here have in common: an index over a book, which writes long."""

import os
from typing import Any

from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import TextNode
from llama_index.llms.openai_like import OpenAILike


def engine(url: str = "", callbacks: CallbackManager | None = None, **settings: Any) -> Any:
    """A query engine that answers by each of four pages, or as the settings say."""
    llm = OpenAILike(
        model="stub",
        api_base=url or os.environ["LLM_URL"],
        api_key="none",
        is_chat_model=True,
        context_window=640,
        max_tokens=256,
    )
    texts = [f"Page {page} tells of house {page}. " * 30 for page in range(4)]
    nodes = [TextNode(text=text, id_=str(page)) for page, text in enumerate(texts)]
    index = VectorStoreIndex(nodes, embed_model=MockEmbedding(8))
    made = index.as_query_engine(
        llm=llm, **{"response_mode": "accumulate", "similarity_top_k": 4, **settings}
    )
    if callbacks is not None:  # An engine gives its own to its model.
        llm.callback_manager = callbacks
    return made
