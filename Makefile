# Everything runs in .venv, which .ci/environment builds (about five minutes the first time on a
# machine, seconds after that) and which sees only this clone's code.
# What stands behind ## is shown by `make help`.

PYTHON ?= python3
PY := .venv/bin/python
RUFF := .venv/env/bin/ruff
TWINE := .venv/env/bin/twine

.DEFAULT_GOAL := help
# Tests start many processes: each would compile all of our code anew.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup check test conformance miniature demo bench paper package installs docs clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: ## build .venv with the locked packages, or reuse it
	@$(PYTHON) .ci/environment

check: setup package ## lint, formatting, types, what would be published, and the site
	$(RUFF) check .
	$(RUFF) format --check .
	$(PY) -m mypy
	$(MKDOCS) --quiet

# Four workers share out the files, in order: the long ones come first. Much of a test is waiting,
# so that two cores take four. -n 0 takes none. What fails beside others is run once more by
# itself: some compare runs whose threads race, which full cores decide otherwise.
# Beside it, the same code is tested against the next major version of the OpenAI SDK (httpx2); what
# that says is shown at the end.
test: setup ## every test, on real engines, and on the OpenAI SDK 3 (PYTEST_ARGS="tests/graph")
	@status=0; said=$$(mktemp); \
	.venv/openai3/bin/python -m pytest -p no:cacheprovider -o addopts=--import-mode=importlib \
		tests/openai3 >"$$said" 2>&1 & beside=$$!; \
	$(PY) -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS) || \
		$(PY) -m pytest -n 0 --last-failed --last-failed-no-failures none || status=1; \
	wait $$beside || status=1; \
	cat "$$said"; rm -f "$$said"; \
	exit $$status

# CONFORMANCE_ARGS=--all runs them whole.
conformance: setup ## the frameworks' own tests, as they are and accelerated
	$(PY) -m tests.conformance $(CONFORMANCE_ARGS)

# Ratios, not times: a busy machine does not fail it. MINIATURE_ARGS=--update writes them.
miniature: setup ## what is gained over an emulated LLM, against committed ratios
	$(PY) -m benchmarks.miniature $(MINIATURE_ARGS)

demo: setup ## three LlamaIndex engines with and without acceleration (DEMO_ARGS=--quick)
	$(PY) -m examples.demo $(DEMO_ARGS)

# Exits with an error if a target is missed; wants an otherwise idle machine.
bench: setup ## what is gained and what it costs, against targets
	$(PY) -m benchmarks.stub_latency
	$(PY) -m benchmarks.overhead
	$(PY) -m benchmarks.graph_work
	$(PY) -m benchmarks.scheduler

# Long, and the same on any machine.
paper: setup ## the paper's experiments in virtual time
	$(PY) -m benchmarks.paper all

# The wheel is built from the source distribution: what that lacks shows here. Needs no network.
package: setup ## build the source distribution and the wheel into dist/, and check them
	rm -rf dist
	$(PY) -m build --no-isolation --outdir dist .
	$(TWINE) check --strict dist/*

# Downloads what the extras bring: minutes for each.
installs: setup ## the wheel with each extra in an empty environment (INSTALLS_ARGS=--help)
	$(PY) -m tests.installs $(INSTALLS_ARGS)

clean: ## remove .venv and everything that was built
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Strictly: a dead link, a page that is missing or an unknown name of the reference is an error.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --config-file docs/mkdocs.yml
docs: setup ## the documentation site, in build/site
	$(MKDOCS)
