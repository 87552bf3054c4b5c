"""Whether gevent or eventlet has taken the place of threads and sockets in this process.

The runtime runs an event loop in a thread of its own. Where threads are greenlets that loop runs in
the caller's own thread, and frameworks refuse to work inside it.
"""

from __future__ import annotations

import sys
from typing import Final

_PATCHERS: Final = (
    ("gevent", "gevent.monkey", "is_module_patched", ("threading", "socket")),
    ("eventlet", "eventlet.patcher", "is_monkey_patched", ("thread", "socket")),
)


def patched() -> str | None:
    """Which library has patched what, or ``None``. Imports nothing."""
    for library, module, question, names in _PATCHERS:
        is_patched = getattr(sys.modules.get(module), question, None)
        found = [name for name in names if is_patched is not None and is_patched(name)]
        if found:
            return f"{library} has patched {' and '.join(found)}"
    return None
