"""What an app runs on: engines by role, and an app that has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ayo_bridge.graph import Op
from ayo_bridge.passes import PIPELINE, Pass
from ayo_bridge.profile import Profiles
from ayo_bridge.schedule import Placement
from ayo_bridge.seam import Call, Engine
from ayo_bridge.workflow import App, Function, Handler, HandlerKey, LanguageModel
from ayo_bridge.workflow.engines import ServedLLM
from examples.apps.spec import AppSpec, Sizes


@dataclass(frozen=True, slots=True)
class Role:
    """An engine, and how it takes what handlers ask if it does not by itself."""

    engine: Engine
    ask: Callable[[Call], object] | None = None
    placement: Placement | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """Engines under the names of their roles.

    ``held_to_forms``: the LLMs take regular expressions as vLLM's structured outputs do.
    ``empty_prefix_caches`` has LLM servers forget what they were asked, and says whether they did.
    """

    roles: Sequence[Role]
    profiles: Profiles = field(default_factory=Profiles)
    held_to_forms: bool = False
    empty_prefix_caches: Callable[[], bool] = lambda: True

    async def probe(self) -> None:
        """Find out what LLM servers can do, once: whether they cache prefixes.

        Raises:
            TransportError: a server was not reached.
        """
        for role in self.roles:
            if isinstance(role.engine, ServedLLM) and not role.engine.caches_prefixes:
                await role.engine.probe()

    def app(self, spec: AppSpec, sizes: Sizes, *, passes: tuple[Pass, ...] = PIPELINE) -> App:
        """An app for a spec. Without passes it runs in the order of the program."""
        handlers = spec.handlers(sizes)
        if self.held_to_forms:
            handlers = with_forms(spec, sizes)
        made = App(passes=passes, handlers=handlers, profiles=self.profiles)
        for role in self.roles:
            made.register(role.engine, ask=role.ask, placement=role.placement)
        return made


def with_forms(spec: AppSpec, sizes: Sizes) -> Mapping[HandlerKey, Handler | Function]:
    """The handlers of a spec, with each answer held to its form."""
    handlers = dict(spec.handlers(sizes))
    for component, form in spec.forms(sizes).items():
        key = (component, Op.PREFILLING)
        model = handlers.get(key, LanguageModel())
        assert isinstance(model, LanguageModel)
        held = {"structured_outputs": {"regex": form.regex}, "ignore_eos": False}
        handlers[key] = model.with_options(held)
    return handlers
