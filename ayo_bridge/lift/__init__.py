"""In: a framework's objects. Out: module templates of them, and what follows their calls.

The reader's way: ``adapter`` (what a framework gives), ``entries`` (a call comes in), ``kept`` and
``lifted`` (what it is lifted to), ``makers`` (its calls ahead), ``taps`` and ``places`` (what the
framework tells on the way).
"""
