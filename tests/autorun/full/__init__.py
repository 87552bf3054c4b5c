"""The whole set of unchanged programs, each alone: ``python -m tests.autorun.full``.

It takes some minutes; `make test` runs a part of it.
"""
