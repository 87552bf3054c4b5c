"""An engine like vLLM's behind an `LLM` like vLLM's: it dies of two threads, and counts its steps.

A request makes one token a step, `tokens` in all, with what other requests are there.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, ClassVar


@dataclass
class Params:
    max_tokens: int = 3
    n: int = 1
    temperature: float = 1.0
    output_kind: str = ""
    __struct_fields__: ClassVar = ("max_tokens", "n", "temperature", "output_kind")


@dataclass
class Output:
    request_id: str
    prompt: str
    text: str = ""
    finished: bool = False
    made: int = 0
    beside: int = 0
    """The most requests in a step of this one."""
    prompt_token_ids: list[int] = field(default_factory=lambda: [1, 2])
    num_cached_tokens: int = 0
    outputs: list[Any] = field(default_factory=list)


@dataclass
class LLMEngine:
    step_seconds: float = 0.0
    running: dict[str, tuple[Output, Params]] = field(default_factory=dict)
    steps: int = 0
    aborted: list[str] = field(default_factory=list)
    aborted_at: int = 0
    """The steps that had begun when a request was aborted last."""
    on_step: Callable[[], object] = lambda: None
    vllm_config: Any = None

    def __post_init__(self) -> None:
        parallel = SimpleNamespace(data_parallel_size=1, distributed_executor_backend=None)
        self.vllm_config = SimpleNamespace(
            parallel_config=parallel,
            cache_config=SimpleNamespace(enable_prefix_caching=True),
            scheduler_config=SimpleNamespace(policy="fcfs"),
        )
        self._inside = threading.Lock()

    def __hash__(self) -> int:
        return id(self)

    def add_request(self, request_id: str, prompt: str, params: Params, **_: Any) -> str:
        with self._alone():
            if prompt == "too long":
                raise ValueError("the prompt is too long")
            self.running[request_id] = Output(request_id, prompt), params
        return f"{request_id}-internal"

    def abort_request(self, request_ids: list[str]) -> None:
        with self._alone():
            for name in request_ids:
                del self.running[name]
                self.aborted.append(name)
                self.aborted_at = self.steps

    def get_num_unfinished_requests(self) -> int:
        return len(self.running)

    def has_unfinished_requests(self) -> bool:
        return bool(self.running)

    def step(self) -> list[Output]:
        with self._alone():
            assert self.running, "a step without requests waits for ever"
            self.steps += 1
            threading.Event().wait(self.step_seconds)
            self.on_step()
            ended = []
            for name, (output, params) in list(self.running.items()):
                output.text += f" {output.prompt}{output.made}"
                output.made += 1
                made = SimpleNamespace(text=output.text, token_ids=list(range(output.made)))
                output.outputs = [made]
                output.beside = max(output.beside, len(self.running))
                if output.made == params.max_tokens:
                    output.finished = True
                    ended.append(output)
                    del self.running[name]
                elif params.output_kind == KINDS.CUMULATIVE:
                    ended.append(replace(output))
            return ended

    def _alone(self) -> "_Alone":
        return _Alone(self._inside)


class _Alone:
    def __init__(self, inside: threading.Lock) -> None:
        self._inside = inside

    def __enter__(self) -> None:
        assert self._inside.acquire(blocking=False), "two threads at one engine"

    def __exit__(self, *_: object) -> None:
        self._inside.release()


class LLM:
    """Its methods do what those of vLLM 0.32 do with the engine."""

    def __init__(self, step_seconds: float = 0.0) -> None:
        self.llm_engine = LLMEngine(step_seconds)
        self.model_config = SimpleNamespace(model="models/fake-llama")
        self.renderer = ""
        self.numbers = 0

    def generate(self, prompts: list[str], params: Params | None = None) -> list[Output]:
        self.enqueue(prompts, params)
        return self.wait_for_completion()

    def get_default_sampling_params(self) -> Params:
        return Params()

    def enqueue(self, prompts: list[str], params: Params | None = None) -> None:
        for prompt in prompts:
            self.llm_engine.add_request(str(self.numbers), prompt, params or Params())
            self.numbers += 1

    def wait_for_completion(self) -> list[Output]:
        outputs = []
        while self.llm_engine.has_unfinished_requests():
            outputs += [output for output in self.llm_engine.step() if output.finished]
        return sorted(outputs, key=lambda output: int(output.request_id))


class _Offline:
    @staticmethod
    def _preprocess_cmpl(owner: Any, prompts: list[str]) -> list[str]:
        return [f"{owner.renderer}{prompt}" for prompt in prompts]

    @staticmethod
    def _preprocess_chat(owner: Any, conversations: list[list[dict[str, str]]]) -> list[str]:
        return [f"{each[-1]['role']}:{each[-1]['content']}" for each in conversations]


KINDS = SimpleNamespace(FINAL_ONLY="final", CUMULATIVE="cumulative")
MODULES: dict[str, Any] = {
    "vllm": SimpleNamespace(SamplingParams=Params),
    "vllm.sampling_params": SimpleNamespace(SamplingParams=Params, RequestOutputKind=KINDS),
    "vllm.entrypoints.common.offline": SimpleNamespace(OfflineInferenceMixin=_Offline),
}
"""What is asked of vLLM's modules."""
