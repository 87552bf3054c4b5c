"""Models made on the spot are the same every time and made once."""

from pathlib import Path

import pytest

from ayo_bridge.serving.random_llama import LlamaShape, make_random_llama

pytestmark = pytest.mark.real

SMALL = {"layers": 1, "hidden": 64, "max_positions": 256, "vocabulary": 600}


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


def test_the_same_seed_gives_the_same_model_and_another_seed_another(tmp_path: Path) -> None:
    first = make_random_llama(tmp_path / "first", seed=1, **SMALL)
    again = make_random_llama(tmp_path / "again", seed=1, **SMALL)
    other = make_random_llama(tmp_path / "other", seed=2, **SMALL)
    assert weights(first) == weights(again)
    assert weights(first) != weights(other)
    assert (first / "tokenizer.json").read_bytes() == (other / "tokenizer.json").read_bytes()


def test_a_model_is_made_once_and_made_anew_for_other_parameters(tmp_path: Path) -> None:
    model = make_random_llama(tmp_path / "m", **SMALL)
    made = (model / "model.safetensors").stat().st_mtime_ns
    assert make_random_llama(tmp_path / "m", **SMALL) == model
    assert (model / "model.safetensors").stat().st_mtime_ns == made
    before = weights(model)
    make_random_llama(tmp_path / "m", seed=5, **SMALL)
    assert weights(model) != before


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not made here"):
        make_random_llama(tmp_path, **SMALL)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_any_text_survives_the_tokenizer(random_llama: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(random_llama))
    text = "Grüße, 世界 🙂\n\n\tdef f(x):  return x  "
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_a_continued_last_message_ends_with_its_content(random_llama: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(random_llama))
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "I am"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, continue_final_message=True)
    assert text == "<|begin|><|role|>user\nHello<|turn|><|role|>assistant\nI am"


def test_the_random_cross_encoder_tells_pairs_apart(cross_encoder_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(cross_encoder_path), device="cpu")
    pairs = [("what is x", passage) for passage in ("x is y", "cats sleep", "a third passage")]
    scores = model.predict(pairs)
    assert scores.shape == (3,)
    assert len({round(float(score), 4) for score in scores}) == 3


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="heads must divide"):
        LlamaShape(hidden=100, heads=8)
