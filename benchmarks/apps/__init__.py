"""The paper's apps as ordinary programs of LlamaIndex, LangChain and LangGraph.

A program is made by ``make(settings)`` of its module, or is there as ``answer``, made from the
environment when it is asked for; none of them knows of ayo-bridge. ``chain(settings)`` describes
the same program as modules. ``python -m benchmarks.apps`` measures them.
"""
