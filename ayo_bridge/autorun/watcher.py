"""Says what a process was about to say at its end, if that one cannot: a signal has ended it.

A program of its own, which imports nothing of ours: ``python -I -S watcher.py``. Its input is the
other process's end of a pipe, on which come texts, each after its length in eight bytes. Once the
pipe is closed, by whatever end of that process, the last whole text is written to stderr. After an
empty one there is nothing to say.

It belongs to nobody: it is no child of the process that it watches, which may count its children,
and in no group that a terminal or a service manager ends together with that one.
"""

import os
import signal

_STDIN, _STDERR = 0, 2


def _read(length: int) -> bytes:
    """So many bytes; fewer where the pipe was closed."""
    parts = []
    while length:
        part = os.read(_STDIN, length)
        if not part:
            break
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def main() -> None:
    """Wait, and write."""
    if os.fork():
        os._exit(0)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    last = b""
    while len(head := _read(8)) == 8:
        length = int.from_bytes(head, "big")
        if not length:
            return
        text = _read(length)
        if len(text) < length:
            break
        last = text
    while last:
        last = last[os.write(_STDERR, last) :]


if __name__ == "__main__":
    main()
