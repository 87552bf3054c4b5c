"""One GET at a time, as the application's own client would reach the server: also by proxies.

No key is sent, no redirection followed, and nothing of a reply but its status and body is kept.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from typing import IO, Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

SECONDS: Final = 3.0
"""How long a server may take to answer."""
_MOST_BYTES: Final = 8_000_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: a status and a body, or, with status 0, why nothing did."""

    status: int
    body: bytes = b""
    failure: str = ""

    @property
    def json(self) -> Any:
        """The body as JSON, ``None`` if it is none or the status is not 200."""
        if self.status != 200:
            return None
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def text(self) -> str:
        """The body as text, empty if the status is not 200."""
        return self.body.decode("utf-8", "replace") if self.status == 200 else ""


class _Stay(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """Follow nothing: another server was not asked about."""


def get(url: str, seconds: float = SECONDS) -> Reply:
    """Send a GET. Whatever goes wrong is a :class:`Reply` too."""
    asked = Request(url, headers={"User-Agent": "ayo-bridge doctor", "Accept": "*/*"})
    try:
        with build_opener(_Stay).open(asked, timeout=seconds) as answered:
            return Reply(answered.status, answered.read(_MOST_BYTES))
    except HTTPError as error:
        error.close()
        return Reply(error.code)
    except URLError as error:
        return Reply(0, failure=_why(error.reason, seconds))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Reply(0, failure=_why(error, seconds))


def _why(reason: object, seconds: float) -> str:
    """A failure in words of ours: the library's may name a proxy with its password."""
    match reason:
        case ConnectionRefusedError():
            return "nothing listens there"
        case TimeoutError():
            return f"no answer within {seconds:g} s"
        case socket.gaierror():
            return "its name is unknown"
        case ssl.SSLCertVerificationError():
            return "its certificate is not accepted"
        case ssl.SSLError():
            return "it does not speak TLS; is it http instead of https?"
        case http.client.RemoteDisconnected():
            return "it closes the connection without a reply; is it https instead of http?"
        case http.client.BadStatusLine():
            return "it does not speak HTTP; is it https instead of http?"
        case OSError() if "Tunnel connection failed" in str(reason):
            return "the proxy does not let it through"
        case OSError():
            return reason.strerror or type(reason).__name__
    return type(reason).__name__


__all__ = ["SECONDS", "Reply", "get"]
