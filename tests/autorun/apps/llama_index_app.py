"""An application that knows nothing of ayo-bridge: answers are written one after another."""

import sys

from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.llms.openai_like import OpenAILike

llm = OpenAILike(model="stub", api_base=sys.argv[1], api_key="k", is_chat_model=True)
nodes = [TextNode(text=f"Text {number}. " * 400, id_=str(number)) for number in range(4)]
index = VectorStoreIndex(nodes, embed_model=MockEmbedding(8))
engine = index.as_query_engine(llm=llm, response_mode="accumulate", similarity_top_k=4)
print(engine.query("What is in the texts?"))
print(type(engine).__qualname__, sorted(vars(engine)))
