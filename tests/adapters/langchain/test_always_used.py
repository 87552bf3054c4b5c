"""What every call of a runnable uses, where functions are among its parts."""

from __future__ import annotations

from contextvars import ContextVar
from operator import itemgetter
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import BaseLanguageModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from ayo_bridge.adapter import KNOWN
from ayo_bridge.learn.certain.running import Certain, run_of
from ayo_bridge.learn.live.clients import OTHERS
from ayo_langchain.always_used import always_used

tenant: ContextVar[str] = ContextVar("tenant", default="first")


def model(key: str) -> ChatOpenAI:
    return ChatOpenAI(model="stub", base_url="http://127.0.0.1:9/v1", api_key=SecretStr(key))


models = {"first": model("first"), "second": model("second")}
default = models["first"]
other = model("other")
PROMPT = ChatPromptTemplate.from_template("What of {q}?")


def joined(documents: list[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)


joined_lambda = RunnableLambda(joined)


def keyed(owner: object) -> str | None:
    """The model of whose clients an owner is one."""
    for name, each in {**models, "other": other}.items():
        if owner is each.root_client:
            return name
    return None


def always(runnable: Any) -> set[str]:
    return {name for each in always_used(runnable) if (name := keyed(each))}


def by_functions(runnable: Any) -> set[str]:
    certain = (each.owner for each in always_used(runnable) if isinstance(each, Certain))
    return {name for each in certain if (name := keyed(each))}


def chooses(runnable: Any) -> bool:
    return any(each is OTHERS for each in always_used(runnable))


def certainly(function: Any) -> set[str]:
    return {
        name for each in run_of(function, ("q",), {}, KNOWN).asks if (name := keyed(each.owner))
    }


def test_a_function_that_uses_one_model_uses_it_in_every_call() -> None:
    chain: Any = RunnableLambda(lambda q: default.invoke(f"What of {q}?").content) | other
    assert by_functions(chain) == {"first"}
    assert always(chain) == {"other"}


def test_functions_that_only_arrange_texts_choose_nothing() -> None:
    chain: Any = RunnablePassthrough() | itemgetter("documents") | joined | other
    assert always(chain) == {"other"}
    assert not chooses(chain)


@pytest.mark.parametrize(
    "function",
    [
        lambda q: models[tenant.get()].invoke(q),
        lambda q: default if tenant.get() == "first" else models["second"],
        lambda q: (default if tenant.get() == "first" else models["second"]).invoke(q),
        lambda q: default.bind(user=tenant.get()).invoke(q),
        lambda q: default.with_config(tags=[tenant.get()]).invoke(q),
        lambda q: default.model_copy(update={"openai_api_key": tenant.get()}).invoke(q),
        lambda q: default.stream(q),
        lambda q: default.batch([q] if tenant.get() == "first" else []),
    ],
)
def test_a_function_that_chooses_uses_none_for_certain(function: Any) -> None:
    assert by_functions(RunnableLambda(function)) == set()
    assert chooses(RunnableLambda(function) | other)
    assert certainly(function) == set()


def test_what_a_default_stands_for_may_be_bound() -> None:
    def answer(q: str, llm: BaseLanguageModel[Any] = default) -> Any:
        return llm.invoke(q)

    assert by_functions(RunnableLambda(answer).bind(llm=other)) == set()
    assert certainly(answer) == {"first"}


def test_nothing_is_certain_after_a_function_that_may_change_it() -> None:
    def switch(q: str) -> str:
        default.root_client = models[tenant.get()].root_client
        return q

    asking: Any = RunnableLambda(lambda q: default.invoke(q).content)
    assert by_functions(asking | switch) == {"first"}
    assert by_functions(RunnableLambda(switch) | asking) == set()
    assert by_functions(RunnableParallel(one=RunnableLambda(switch), two=asking)) == set()


def test_what_is_tried_again_or_has_fallbacks_begins_with_its_own_model() -> None:
    assert always(default.with_retry()) == {"first"}
    with_fallback = default.with_fallbacks([other])
    assert always(with_fallback) == {"first"}
    assert chooses(with_fallback)


def test_plain_functions_call_chains_and_search_stores() -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
    chain = RunnableLambda(joined) | other

    def answer(q: str) -> Any:
        found = store.similarity_search(q, k=2)
        return chain.invoke(found)

    run = run_of(answer, ("q",), {}, KNOWN)
    assert certainly(answer) == {"other"}
    assert store in [each.owner for each in run.asks]
    assert run.harmless


def test_what_comes_after_a_chain_is_certain_if_the_chain_can_change_nothing() -> None:
    def switch(q: str) -> str:
        default.root_client = models[tenant.get()].root_client
        return q

    plain, switching = PROMPT | other, RunnableLambda(switch) | other

    def after_plain(q: str) -> Any:
        return default.invoke(plain.invoke({"q": q}).content)

    def after_switching(q: str) -> Any:
        return default.invoke(switching.invoke(q).content)

    assert certainly(after_plain) == {"other", "first"}
    assert certainly(after_switching) == {"other"}


def test_a_chain_that_is_joined_in_the_call_asks_by_its_parts() -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))

    def answer(q: str) -> Any:
        chain = ChatPromptTemplate.from_template("What of {q}?") | other | StrOutputParser()
        return chain.invoke({"q": q})

    async def twice(q: str) -> Any:
        def chain_of(llm: Any) -> Any:
            prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{q}")])
            return prompt | llm

        first = await chain_of(default).ainvoke({"q": q})
        return await (PROMPT | other).ainvoke({"q": first.content})

    def retrieving(q: str) -> Any:
        return (store.as_retriever(search_kwargs={"k": 2}) | joined_lambda | other).invoke(q)

    assert certainly(answer) == {"other"}
    assert certainly(twice) == {"first", "other"}
    assert certainly(retrieving) == {"other"}
    assert store in [each.owner for each in run_of(retrieving, ("q",), {}, KNOWN).asks]


class Switching(RunnablePassthrough[Any]):
    """Joins what it likes."""

    def __or__(self, other: Any) -> Any:
        return models[tenant.get()]


switching = Switching()


def joined_by_the_user(q: str) -> Any:
    return (switching | other).invoke(q)


def joined_with_a_choice(q: str) -> Any:
    return (PROMPT | models[tenant.get()]).invoke({"q": q})


def joined_with_a_function(q: str) -> Any:
    return (PROMPT | other | (lambda message: message.content)).invoke({"q": q})


def joined_with_a_partial(q: str) -> Any:
    prompt = ChatPromptTemplate.from_template("{q} {name}", partial_variables={"name": tenant.get})
    return (prompt | other).invoke({"q": q})


def changed_when_joined(q: str) -> Any:
    chain: Any = PROMPT | other
    chain.last = models[tenant.get()]
    return chain.invoke({"q": q})


@pytest.mark.parametrize(
    "function",
    [
        *(joined_by_the_user, joined_with_a_choice, joined_with_a_function),
        *(joined_with_a_partial, changed_when_joined),
    ],
)
def test_nothing_is_certain_of_a_chain_whose_parts_are_not(function: Any) -> None:
    assert certainly(function) == set()


def test_nothing_is_certain_of_a_chain_once_joining_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(q: str) -> Any:
        return (PROMPT | other).invoke({"q": q})

    assert certainly(answer) == {"other"}
    monkeypatch.setattr(ChatPromptTemplate, "__or__", lambda *_: default, raising=False)
    assert certainly(answer) == set()


def test_a_model_of_the_users_own_class_is_not_known() -> None:
    class Routed(ChatOpenAI):
        def invoke(self, *args: Any, **kwargs: Any) -> Any:
            return models[tenant.get()].invoke(*args, **kwargs)

    routed = Routed(model="stub", api_key=SecretStr("k"))
    assert run_of(lambda q: routed.invoke(q), ("q",), {}, KNOWN).asks == ()
