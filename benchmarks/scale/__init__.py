"""1 to 1,000 replicas of an LLM in virtual time: ``python -m benchmarks.scale``.

In: RAGPulse's lengths, real schedulers and routers, simulated engines. Out: ``results.json`` and
``results.html``.
"""
