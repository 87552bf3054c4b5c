"""The paper's experiments in virtual time: ``python -m benchmarks.paper all``.

In: ``parameters.toml`` and the figures in ``data/``. Out: ``results.json`` and ``results.html``.
"""
