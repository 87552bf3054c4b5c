"""A server that answers GETs, as vLLM does or otherwise, and golden files of findings."""

from __future__ import annotations

import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

GOLDEN: Final = Path(__file__).parent / "golden"
UPDATE: Final = bool(os.environ.get("AYO_UPDATE_GOLDEN"))
"""Read at once: the tests run without any AYO_ variable."""
METRICS: Final = """
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting{engine="0",model_name="m"} 0.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 1000.0
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 640.0
vllm:cache_config_info{block_size="16",enable_prefix_caching="True",engine="0"} 1.0
python_gc_objects_collected_total{generation="0"} 7.0
"""
LISTED: Final = json.dumps({"object": "list", "data": [{"id": "m", "owned_by": "vllm"}]})
VLLM: Final = {
    "/v1/models": LISTED,
    "/version": '{"version": "0.19.1"}',
    "/health": "",
    "/metrics": METRICS,
}


class Served:
    """Answers GETs of the paths it is given; keeps what it was asked, with all headers."""

    def __init__(self) -> None:
        self.replies: dict[str, str] = {}
        self.otherwise = 404
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked.append((self.command, self.path, dict(self.headers)))
                body = served.replies.get(self.path)
                self.send_response(served.otherwise if body is None else 200)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write((body or "").encode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Served:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def golden(name: str, text: str) -> None:
    """Compare text with a file; AYO_UPDATE_GOLDEN=1 writes the file instead."""
    text = re.sub(r"127\.0\.0\.1:\d{5}", "127.0.0.1:54321", text)
    text = re.sub(r"CPython [\d.]+", "CPython 3.11.9", text)
    text = re.sub(r"ayo-bridge \d+\.\d+\.\d+", "ayo-bridge 0.1.0", text)
    path = GOLDEN / f"{name}.txt"
    if UPDATE:
        path.write_text(text)
    assert text == path.read_text()
    assert max(map(len, text.splitlines())) <= 80
