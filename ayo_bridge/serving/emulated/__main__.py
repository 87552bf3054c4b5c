"""``python -m ayo_bridge.serving.emulated FD FILE``: the server in a process of its own.

It serves on the socket that it inherits, by the settings in a file.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from ayo_bridge.serving.emulated.serve import serve
from ayo_bridge.serving.emulated.settings import Settings

if __name__ == "__main__":
    serve(
        Settings.from_json(Path(sys.argv[2]).read_text(encoding="utf-8")),
        socket.socket(fileno=int(sys.argv[1])),
    )
