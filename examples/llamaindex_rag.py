"""LlamaIndex on vLLM, accelerated by one line.

    ayo-bridge serve-llm MODEL            # prints the URL
    python examples/llamaindex_rag.py URL MODEL DIRECTORY "A question?"

DIRECTORY holds text files. MODEL is the name the server gives: a model directory's last part.
"""

from __future__ import annotations

import argparse
from typing import Any

from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.llms.openai_like import OpenAILike

from ayo_bridge import Runtime, accelerate, explain


def build(url: str, model: str, directory: str, embedding: Any) -> Any:
    """An ordinary query engine over a directory of text files."""
    llm = OpenAILike(
        model=model,
        api_base=url,
        api_key="none",
        context_window=2048,
        max_tokens=64,
        temperature=0.0,
        timeout=600.0,
    )
    documents = SimpleDirectoryReader(directory, recursive=True).load_data()
    index = VectorStoreIndex.from_documents(documents, embed_model=embedding)
    return index.as_query_engine(llm=llm, response_mode="tree_summarize", similarity_top_k=12)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("url", help="base URL of the server, with /v1")
    parser.add_argument("model", help="name of the served model")
    parser.add_argument("directory", help="directory of text files")
    parser.add_argument("question")
    parser.add_argument("--embedding", help="embedding model; all-MiniLM-L6-v2 by default")
    options = parser.parse_args()
    name = options.embedding or "sentence-transformers/all-MiniLM-L6-v2"
    embedding = HuggingFaceEmbedding(model_name=name)
    engine = build(options.url, options.model, options.directory, embedding)

    # The one line. `serve-llm` runs with priority scheduling, which cannot be probed: say so.
    engine = accelerate(engine, runtime=Runtime(priority=True))

    print(engine.query(options.question))
    print(explain(engine))


if __name__ == "__main__":
    main()
