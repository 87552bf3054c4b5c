"""LlamaIndex: the starter example, whose answers are trees of summaries."""

import sys
from typing import Any

from llama_index.core import Document, VectorStoreIndex
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike


def build(url: str) -> Any:
    llm = OpenAILike(
        model="stub",
        api_base=url,
        api_key="none",
        is_chat_model=True,
        context_window=640,
        max_tokens=256,
    )
    embedding = OpenAILikeEmbedding(model_name="stub", api_base=url, api_key="none")
    pages = [f"Page {page} tells of house {page}. " * 30 for page in range(12)]
    documents = [Document(text=text, id_=str(page)) for page, text in enumerate(pages)]
    index = VectorStoreIndex.from_documents(documents, embed_model=embedding)
    return index.as_query_engine(llm=llm, response_mode="tree_summarize", similarity_top_k=6)


def main(url: str, questions: int) -> None:
    engine = build(url)
    for number in range(questions):
        response = engine.query(f"What is told of house {number}?")
        print(response, sorted(found.node.ref_doc_id for found in response.source_nodes))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
