"""The paper's five apps. In: how large a query is. Out: components in the order of the program.

Nothing here needs an engine. :data:`APPS` has a spec by name: ``search``, ``naive``, ``advanced``,
``contextual`` and ``agent``. Of a spec:

- ``workflow(sizes)`` composes the components (a :class:`~ayo_bridge.graph.Flow`, with its choices);
- ``template(sizes)`` is that as a module template;
- ``sizes`` are the paper's (:class:`Sizes`, frozen: ``dataclasses.replace`` gives others);
- ``inputs`` names what a query brings, ``engines`` the kind of engine that serves each role;
- ``handlers(sizes)`` is what an :class:`~ayo_bridge.workflow.App` needs beyond the defaults;
- ``forms(sizes)`` is what answers must look like (a judge says yes or no).

``python -m examples.apps.run NAME --simulate`` runs one in virtual time.
"""

from collections.abc import Mapping

from examples.apps.advanced import ADVANCED
from examples.apps.agent import AGENT
from examples.apps.contextual import CONTEXTUAL
from examples.apps.naive import NAIVE
from examples.apps.search import SEARCH
from examples.apps.spec import KINDS, AppSpec, Form, Sizes

APPS: Mapping[str, AppSpec] = {
    spec.name: spec for spec in (SEARCH, NAIVE, ADVANCED, CONTEXTUAL, AGENT)
}

__all__ = ["APPS", "KINDS", "AppSpec", "Form", "Sizes"]
