"""How the requests of an aiohttp session leave, by whom, and whether ours can leave alike.

aiohttp 3.12 to 3.14 tells little of this in public: what is read are the attributes of its
connectors and requests.
"""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Hashable
from typing import Any, Final

from ayo_bridge.bindings.http_senders import Still
from ayo_bridge.bindings.requests_senders import environment
from ayo_bridge.engines.openai_http.address import address_of
from ayo_bridge.engines.openai_http.way import Way

_SMALLEST_POOL: Final = 32
"""What Infinity's own client allows itself, far above what runs ahead at a server."""
_RESOLVERS: Final = ("ThreadedResolver", "AsyncResolver")


def way_of(session: Any, request: Any) -> Way | str:
    """How a request leaves; a string is the reason why requests of ours cannot leave alike."""
    connector = session.connector
    if not own_kind(session, request):
        return "its session sends by requests or a connector of its own kind"
    try:
        differs = _request_differs(request) or _connector_differs(connector)
        if differs is not None:
            return differs
        if request.is_ssl() and connector._get_fingerprint(request) is not None:
            return "it checks the server's fingerprint by itself"
        context = connector._get_ssl_context(request)
    except AttributeError as error:
        return f"the version of aiohttp is unknown: it has no {error.name}"
    url = request.url
    if address_of(str(url)).target != url.raw_path_qs.encode():
        return "its address is written in a way of its own"
    return Way(context=context)


def own_kind(session: Any, request: Any) -> bool:
    """Whether a request and what it leaves by are aiohttp's own."""
    aiohttp = importlib.import_module("aiohttp")
    own = type(request) is aiohttp.ClientRequest
    return own and type(session.connector) is aiohttp.TCPConnector


def _request_differs(request: Any) -> str | None:
    if request.proxy is not None:
        return "it goes through a proxy"
    if request.version != importlib.import_module("aiohttp").HttpVersion11:
        return "it is not of HTTP/1.1"
    if request.compress or request.chunked or "Expect" in request.headers:
        return "its body is sent in a form of its own"
    if "Content-Type" not in request.headers:
        return "its content type is said by nobody"
    if request._traces:
        return "its session traces connections"
    if request.server_hostname is not None:
        return "it names the server in a way of its own"
    return None


def _connector_differs(connector: Any) -> str | None:
    if connector._force_close:
        return "its connections are closed after each request"
    limits = (connector._limit, connector._limit_per_host)
    if any(0 < limit < _SMALLEST_POOL for limit in limits):
        return f"its session is limited to {min(n for n in limits if n)} connections"
    if connector._local_addr_infos:
        return "its connections have a local address of their own"
    if connector._family or getattr(connector, "_socket_factory", None) is not None:
        return "its sockets are of its own kind"
    if type(connector._resolver).__name__ not in _RESOLVERS:
        return "it resolves names in a way of its own"
    return None


def still_of(session: Any, server: str) -> Still | None:
    """Tells whether the session, as long as it is there, is as it is now; ``None``: unknown."""
    before = _state(session)
    if before is None:
        return None
    kept, around = weakref.ref(session), environment()
    reads = bool(session.trust_env)

    def still(url: str) -> str | None:
        if reads and environment() != around:
            return "the environment's proxies or certificates have changed"
        session = kept()
        try:
            same = session is None or session.closed or _state(session) == before
        except RuntimeError:  # The loop's thread is at it.
            same = False
        return None if same else "its session has been changed"

    return still


def _state(session: Any) -> Hashable | None:
    """What a session adds to its requests. Nothing is called that would change its cookies."""
    jar = session.cookie_jar
    if type(jar).__name__ not in ("CookieJar", "DummyCookieJar"):
        return None
    cookies = tuple(
        (str(place), tuple(morsel.OutputString() for morsel in list(held.values())))
        for place, held in list(getattr(jar, "_cookies", {}).items())
    )
    headers = tuple(session.headers.items())
    return headers, cookies, session.auth, id(session.connector), session.trust_env
