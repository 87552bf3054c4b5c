"""Learned lifting while the program runs.

The first calls of a function are traced; a template is induced from them in the background; later
calls run ahead from it. In come the calls at boundaries, out go requests made ahead.
"""
