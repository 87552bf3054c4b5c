"""LlamaIndex: a question is taken apart, and each part goes to the index that knows of it."""

import sys
from typing import Any

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.query_engine import SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.tools import QueryEngineTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike


def build(url: str) -> Any:
    llm = OpenAILike(model="stub", api_base=url, api_key="none", is_chat_model=True)
    embedding = OpenAILikeEmbedding(model_name="stub", api_base=url, api_key="none")

    def tool(name: str) -> QueryEngineTool:
        texts = [f"The {name} of the town in the year {1900 + year}." for year in range(8)]
        documents = [Document(text=text, id_=text) for text in texts]
        index = VectorStoreIndex.from_documents(documents, embed_model=embedding)
        return QueryEngineTool.from_defaults(
            index.as_query_engine(llm=llm, similarity_top_k=2),
            name=name,
            description=f"Answers questions about the {name} of the town",
        )

    return SubQuestionQueryEngine.from_defaults(
        query_engine_tools=[tool("history"), tool("economy")],
        llm=llm,
        question_gen=LLMQuestionGenerator.from_defaults(llm=llm),
        response_synthesizer=get_response_synthesizer(llm=llm),
        use_async=False,
        verbose=False,
    )


def main(url: str, questions: int) -> None:
    engine = build(url)
    for number in range(questions):
        response = engine.query(f"How did the town change after {1900 + number}?")
        sources = [found.get_content() for found in response.source_nodes]
        print(str(response), sources)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
