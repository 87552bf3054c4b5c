"""By whom the requests of ``requests`` are sent: sessions, also those that live for one call."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from typing import Any, Final

from ayo_bridge.bindings.http_senders import Still
from ayo_bridge.seam import current_scope

_OWN: Final = {
    "Session": ("send", "prepare_request", "get_adapter", "merge_environment_settings"),
    "HTTPAdapter": ("send", "add_headers", "request_url", "cert_verify", "build_response"),
}
"""Methods that put something on the way which their caller does not see."""
_ENVIRONMENT: Final = ("requests_ca_bundle", "curl_ca_bundle", "netrc")

_current: ContextVar[tuple[Any, Any] | None] = ContextVar("ayo_bridge_session", default=None)
"""The session whose request is on its way to the network, and that request."""
_signed: weakref.WeakSet[Any] = weakref.WeakSet()
"""Requests that an authentication of the caller's own has worked on: others it would sign anew."""


def session_of(body: object) -> Any:
    """The session that sends a request with this very body; a string is why there is none."""
    known = _current.get()
    if known is None or known[1].body is not body:
        return "it is not sent by a session of requests"
    session, request = known
    if request in _signed or not _is_plain(session.auth):
        return "it is authenticated in a way of its own"
    if not _as_ever(session, "Session"):
        return f"its session overrides sending, {type(session).__qualname__}"
    adapter = session.get_adapter(request.url)
    if not _as_ever(adapter, "HTTPAdapter"):
        return f"its session's adapter overrides sending, {type(adapter).__qualname__}"
    return session


def _as_ever(thing: Any, base: str) -> bool:
    """Whether what a session or an adapter puts on the way is what the library does."""
    for cls in type(thing).__mro__:
        if cls.__name__ == base and cls.__module__.partition(".")[0] == "requests":
            return not any(name in vars(thing) for name in _OWN[base])
        if any(name in vars(cls) for name in _OWN[base]):
            return False
    return False


def _is_plain(auth: Any) -> bool:
    """Whether an authentication is one header, the same for all requests."""
    return auth is None or isinstance(auth, tuple) or type(auth).__name__ == "HTTPBasicAuth"


def still_of(session: Any) -> Still:
    """Tells whether the session, if it is there, and the environment are as they are now."""
    before, around, kept = _state(session), environment(), weakref.ref(session)

    def still(url: str) -> str | None:
        if environment() != around:
            return "the environment's proxies or certificates have changed"
        session = kept()
        try:
            same = session is None or _state(session) == before
        except RuntimeError:  # Another thread is at it.
            same = False
        return None if same else "its session has been changed"

    return still


def _state(session: Any) -> Hashable:
    """All that a session adds to its requests, and by what they leave."""
    auth = session.auth
    return (
        *(tuple(session.headers.items()), str(session.params), str(session.proxies)),
        *(tuple((c.name, c.value, c.domain, c.path) for c in session.cookies), session.trust_env),
        *(str(session.verify), str(session.cert), auth if isinstance(auth, tuple) else id(auth)),
        tuple((prefix, id(adapter)) for prefix, adapter in session.adapters.items()),
    )


def environment() -> Hashable:
    """What requests reads from the environment, anew for each request."""
    said = ((name.lower(), value) for name, value in os.environ.items())
    return tuple(sorted(e for e in said if e[0].endswith("_proxy") or e[0] in _ENVIRONMENT))


def send(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The wrapper of ``Session.send``: who is asked below is to know by whom."""
    request = args[0] if args else kwargs.get("request")
    if current_scope() is None or request is None:
        return wrapped(*args, **kwargs)
    token = _current.set((instance, request))
    try:
        return wrapped(*args, **kwargs)
    finally:
        _current.reset(token)


def prepare_auth(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The wrapper of ``PreparedRequest.prepare_auth``: it alone sees what authenticates."""
    auth = args[0] if args else kwargs.get("auth")
    if current_scope() is not None and not _is_plain(auth):
        _signed.add(instance)
    return wrapped(*args, **kwargs)
