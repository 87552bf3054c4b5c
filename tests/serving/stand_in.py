"""A program in the place of vLLM, for what is ours about a server: its start, its ends, its log.

A real one takes half a minute to start; tests with one are few. This one answers at once and, like
vLLM, has an engine in a process of its own, which takes no notice of an orderly end.
"""

from pathlib import Path

_PROGRAM = """
import json, signal, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

ENGINE = (
    "import signal, time;"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        known = {"/health": {}, "/v1/models": {"data": [{"id": option("--served-model-name")}]}}
        self.send_response(200 if self.path in known else 404)
        self.end_headers()
        self.wfile.write(json.dumps(known.get(self.path)).encode())


def option(name):
    return options[options.index(name) + 1]


model, options = sys.argv[2], sys.argv[3:]
with open(model + "/config.json") as config:
    kind = json.load(config)["model_type"]
if kind != "llama":
    sys.exit(f"cannot serve the model type {kind}")
engine = subprocess.Popen(
    [sys.executable, "-I", "-S", "-c", ENGINE], stdout=subprocess.PIPE, start_new_session=True
)
engine.stdout.readline()
HTTPServer(("127.0.0.1", int(option("--port"))), Answers).serve_forever()
"""


def stand_in_for_vllm(folder: Path) -> dict[str, str]:
    """The environment variables with which a :class:`VLLMServer` starts the program instead.

    Args:
        folder: for the program's file.
    """
    place = folder / "vllm" / "entrypoints" / "cli"
    place.mkdir(parents=True)
    for package in (place, *place.parents[:2]):
        (package / "__init__.py").touch()
    (place / "main.py").write_text(_PROGRAM)
    return {"PYTHONPATH": str(folder)}
