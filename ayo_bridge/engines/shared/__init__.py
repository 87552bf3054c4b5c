"""One process of this machine that holds models for several: the application's side of it.

In: calls of engines that were declared with ``placement=SharedProcess()``. Out: their results, from
that process, or from the application's own model wherever the process cannot give the same.
"""
