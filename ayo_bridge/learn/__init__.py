"""Learned lifting: what a few traced calls show of an app, as a template of its next ones.

In come traces: the engine calls and helper values of whole calls of one entry. Out go learned
templates: sites with programs that make each request of values known before it.
"""
