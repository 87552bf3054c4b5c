"""Acceleration without a changed line: the entry points of frameworks' classes, as users call them.

Where ``AYO_BRIDGE=1`` is set, the interpreter starts with :mod:`.start`, which imports next to
nothing and waits for a framework (:mod:`.imports`). Once one is imported, the entry methods of its
classes are wrapped (:mod:`.hooks`). A call that comes from the application itself, and from no
call that is followed, runs under a scope (:mod:`.attached`); its object stays what it is.
"""
