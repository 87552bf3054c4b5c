"""LlamaIndex: a query engine that summarises by a tree."""

import sys

from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.llms.openai_like import OpenAILike

from ayo_bridge import accelerate, explain

llm = OpenAILike(model="stub", api_base=sys.argv[1], api_key="none", is_chat_model=True)
documents = [Document(text=f"Quarter {number} went well. " * 300) for number in range(4)]
index = VectorStoreIndex.from_documents(documents, embed_model=MockEmbedding(8))
engine = index.as_query_engine(llm=llm, response_mode="accumulate", similarity_top_k=4)

question = "What changed in the second quarter?"
plain = str(engine.query(question))
engine = accelerate(engine)
assert str(engine.query(question)) == plain
print(str(explain(engine)).splitlines()[0])
