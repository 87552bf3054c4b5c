"""In: figures of a benchmark. Out: one self-contained page of charts and tables.

``charts`` draws, ``content`` is what a page consists of, ``page`` writes it through the templates.
"""
