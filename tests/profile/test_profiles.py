import pytest

from ayo_bridge.graph import Op, Primitive, PromptPart
from ayo_bridge.profile import Curve, EngineProfile, LLMProfile, Profiles

EMBEDDING = EngineProfile.measured("embedding", Curve.of([(1, 1.0), (2, 1.0), (4, 2.0)]))
LLM = LLMProfile(0.1, 0.01, 0.5)
PROFILES = Profiles({"bge": EMBEDDING, "llm": LLM})


def primitive(op: Op, engine: str = "", *, items: int = 1, tokens: int = 0) -> Primitive:
    prompt = (PromptPart(10), PromptPart(20))
    return Primitive("x", op, "c", engine, items=items, tokens=tokens, prompt=prompt)


def test_batches_cost_by_items_and_calls_by_tokens() -> None:
    assert PROFILES.seconds(primitive(Op.EMBEDDING, "bge", items=3)) == 1.5
    assert PROFILES.seconds(primitive(Op.PREFILLING, "llm")) == pytest.approx(0.4)
    assert PROFILES.seconds(primitive(Op.PARTIAL_PREFILLING, "llm")) == pytest.approx(0.4)
    assert PROFILES.seconds(primitive(Op.PARTIAL_DECODING, "llm", tokens=4)) == 2.0


def test_what_was_never_measured_is_unknown() -> None:
    assert PROFILES.seconds(primitive(Op.SEARCHING, "pg")) is None
    assert PROFILES.best_batch("pg") is None
    assert PROFILES.seconds(primitive(Op.EXPAND, "llm")) is None


def test_a_profile_of_another_kind_says_nothing() -> None:
    assert PROFILES.seconds(primitive(Op.DECODING, "bge")) is None
    assert PROFILES.seconds(primitive(Op.EMBEDDING, "llm")) is None


@pytest.mark.parametrize("op", [Op.AGGREGATE, Op.CONDITION, Op.HOST])
def test_what_runs_on_no_engine_is_free(op: Op) -> None:
    assert PROFILES.seconds(primitive(op)) == 0.0


def test_b_star_comes_from_the_curve() -> None:
    assert PROFILES.best_batch("bge") == 2
    assert dict(PROFILES) == {"bge": EMBEDDING, "llm": LLM}


def test_an_llm_is_fitted_to_points() -> None:
    prefill = [(n, 0.04 + 0.0002 * n) for n in (128, 256, 512, 1024)]
    fitted = LLMProfile.from_points(prefill, [(n, 0.02 * n) for n in (16, 64)])
    assert fitted.prefill_base == pytest.approx(0.04)
    assert fitted.prefill_per_token == pytest.approx(0.0002)
    assert fitted.decode_per_token == pytest.approx(0.02)


def test_a_fit_has_no_negative_part() -> None:
    fitted = LLMProfile.from_points([(1, 0.1), (10, 10.0)], [(1, 2.0), (2, 1.0)])
    assert fitted.prefill_base == 0.0
    assert fitted.decode_per_token == 0.0
    assert LLMProfile.from_points([(10, 1.0)], [(10, 2.0)]) == LLMProfile(0.0, 0.1, 0.2)


def test_no_points_no_profile() -> None:
    with pytest.raises(ValueError, match="at least one point"):
        LLMProfile.from_points([], [(1, 1.0)])
