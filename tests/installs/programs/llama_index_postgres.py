"""LlamaIndex on Postgres: the searches of a fusion of queries."""

import os
import sys

from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import TextNode
from llama_index.llms.openai_like import OpenAILike
from llama_index.vector_stores.postgres import PGVectorStore

from ayo_bridge import accelerate, explain

url, postgres = sys.argv[1:]
llm = OpenAILike(model="stub", api_base=url, api_key="none", is_chat_model=True)
store = PGVectorStore.from_params(
    connection_string=postgres,
    async_connection_string=postgres.replace("postgresql://", "postgresql+asyncpg://"),
    table_name=f"quarters_{os.getpid()}",
    embed_dim=8,
)
nodes = [TextNode(text=f"Quarter {number} went well.", id_=str(number)) for number in range(4)]
index = VectorStoreIndex(
    nodes,
    storage_context=StorageContext.from_defaults(vector_store=store),
    embed_model=MockEmbedding(8),
)
retriever = QueryFusionRetriever(
    [index.as_retriever(similarity_top_k=4)], llm=llm, num_queries=4, use_async=False
)

question = "What changed in the second quarter?"
plain = sorted(node.node_id for node in retriever.retrieve(question))
retriever = accelerate(retriever)
assert sorted(node.node_id for node in retriever.retrieve(question)) == plain != []
print(str(explain(retriever)).splitlines()[0])
