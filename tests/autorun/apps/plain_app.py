"""An application without a framework: what it is given, what it says and how it ends."""

import os
import signal
import subprocess
import sys

print(sys.argv, __name__, __file__, sys.path, sys.flags, sys.stdin.read())
print("on its way out", file=sys.stderr, flush=True)
match sys.argv[1:]:
    case ["raise", *_]:
        raise ValueError("what the application raises")
    case ["exit", *_]:
        sys.exit(7)
    case ["killed", *_]:
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGTERM)
    case ["child"]:
        code = "import sys; print([n for n in sys.argv[1:] if n in sys.modules])"
        names = ("ayo_bridge.autorun.start", "wrapt", "typing", "langchain_core", "llama_index")
        subprocess.run([sys.executable, "-c", code, *names], check=True)
