"""An application that knows nothing of ayo-bridge: one searches for each line that is written."""

import sys
import time

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

llm = ChatOpenAI(model="stub", base_url=sys.argv[1], api_key=SecretStr("k"))
causes = ChatPromptTemplate.from_template("Causes of {what}") | llm | StrOutputParser()
effects = ChatPromptTemplate.from_template("Effects of {what}") | llm | StrOutputParser()


def asked(given: dict[str, str]) -> str:
    return f"{causes.invoke(given)} / {effects.invoke(given)}"


answer = RunnableLambda(asked)
for number in range(8):
    print(answer.invoke({"what": f"event {number}"}))
    time.sleep(0.1)  # As between the questions of a user.
print([*answer.stream({"what": "streams"})])
print(type(answer).__qualname__, sorted(vars(answer)))


def failing(given: str) -> str:
    try:
        raise KeyError(given)
    except KeyError as error:
        raise ValueError("what the application raises") from error


chain = RunnableLambda(failing) | StrOutputParser()
outer: RunnableLambda[str, str] = RunnableLambda(lambda given: chain.invoke(given))
outer.invoke("x")
