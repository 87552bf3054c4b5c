"""Applications that know nothing of ayo-bridge, and what a learned template gains on them.

In come names of applications; out goes a table of both arms: ``python -m benchmarks.learned``.
"""
