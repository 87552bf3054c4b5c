"""Children answer a question each, and wait to be ended: `ending.py URL CHILDREN`."""

import os
import signal
import sys

import book  # type: ignore[import-not-found]

# Whoever started all this may have it ignored, as nohup does.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
engine = book.engine(sys.argv[1])
children = []
for _ in range(int(sys.argv[2])):
    sys.stdout.flush()
    child = os.fork()
    if not child:
        print(engine.query("What is in the book?"), flush=True)
        while True:
            signal.pause()
    children.append(child)
print(sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
