"""In: a p-graph and what is known of the engines. Out: an e-graph, and every decision taken.

How passes name things, on which the scheduler relies:

- A primitive cut by index is ``<id>[i]`` and its output ``<value>[i]``: an item of a pipelined
  decode, or a stage of a batch. A primitive cut by value is ``<id>[<input value>]`` and its output
  ``<value>[<input value>]``. Cuts nest: ``search.hits[expand.queries][0]`` is item 0 of
  ``search.hits[expand.queries]``.
- ``origin`` is the id of the p-graph primitive; ``stage`` is ``i`` on every part cut by index.
- Parts downstream take the parts upstream (``vectors[0]`` makes ``hits[0]``). A stage with a whole
  input takes a slice of it: :func:`part_of` says which. Of a reranking with several inputs the
  first is the query, which every part takes whole; its value is one score a candidate, in order.
- An ``AGGREGATE`` ``<id of the cut primitive>.join`` makes the value under its original name from
  the parts in original order (lists are concatenated, single items appended). It is there only if
  something takes the whole value, or nothing takes the value at all (a result of the query).
- A split prefilling is ``<id>[partial]``, which has no outputs and nothing waits for it, and
  ``<id>[full]``, which makes the original's output. Their prompts together are the original's.
"""

from ayo_bridge.passes.cutting import part_of
from ayo_bridge.passes.decoding import DecodingPipelining
from ayo_bridge.passes.pipeline import PIPELINE, Optimised, optimise
from ayo_bridge.passes.prefilling import PrefillingSplit
from ayo_bridge.passes.pruning import DependencyPruning
from ayo_bridge.passes.rewrite import Decision, Pass, PassContext, Rewrite
from ayo_bridge.passes.stages import StageDecomposition

__all__ = [
    "PIPELINE",
    "Decision",
    "DecodingPipelining",
    "DependencyPruning",
    "Optimised",
    "Pass",
    "PassContext",
    "PrefillingSplit",
    "Rewrite",
    "StageDecomposition",
    "optimise",
    "part_of",
]
