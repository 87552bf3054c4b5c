# Everything runs in .venv, which .ci/environment builds (about five minutes the first time on a
# machine, seconds after that) and which sees only this clone's code.

PYTHON ?= python3
PY := .venv/bin/python
RUFF := .venv/env/bin/ruff

.PHONY: setup check test conformance demo bench paper clean

setup:
	@$(PYTHON) .ci/environment

check: setup
	$(RUFF) check .
	$(RUFF) format --check .
	$(PY) -m mypy
	$(MKDOCS) --quiet

# Two workers share out the files, in order: the long ones come first. -n 0 takes none.
# The second run is the same code against the next major version of the OpenAI SDK (httpx2); it
# takes place whatever the first one finds.
test: setup
	@status=0; \
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS) || status=1; \
	if ls tests/openai3/test_*.py >/dev/null 2>&1; then \
		.venv/openai3/bin/python -m pytest -o addopts=--import-mode=importlib tests/openai3 || status=1; \
	fi; \
	exit $$status

# The frameworks' own tests, as they are and accelerated; CONFORMANCE_ARGS=--all runs them whole.
conformance: setup
	$(PY) -m tests.conformance $(CONFORMANCE_ARGS)

demo: setup
	$(PY) -m examples.demo $(DEMO_ARGS)

# Exits with an error if a target is missed; wants an otherwise idle machine.
bench: setup
	$(PY) -m benchmarks.stub_latency
	$(PY) -m benchmarks.overhead
	$(PY) -m benchmarks.graph_work
	$(PY) -m benchmarks.scheduler

# The paper's experiments in virtual time: long, and the same on any machine.
paper: setup
	$(PY) -m benchmarks.paper all

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Strictly: a dead link, a page that is missing or an unknown name of the reference is an error.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --config-file docs/mkdocs.yml
.PHONY: docs
docs: setup ## the documentation site, in build/site
	$(MKDOCS)
