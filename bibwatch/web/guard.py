"""Who may ask for what: the checks before every answer, and what browsers are told to allow.

Sources: the Fetch standard for Origin and Sec-Fetch-*, RFC 6265bis for cookies, CSP Level 3.
"""

import hmac
import re
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "bibwatch"
OPEN_TO_ALL = re.compile(r"/login|/static/.*")  # without the token
SAFE = ("GET", "HEAD")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # none at all would hide the origin of our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Stands before the whole page."""

    def __init__(self, app: ASGIApp, *, address: str, token: str | None) -> None:
        self._app = app
        self._address = address  # IP address that the page listens on
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope, Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> Response | None:
        method, path, query = scope["method"], scope["path"], scope["query_string"].decode("latin-1")
        if not is_host_allowed(headers.get("host", ""), self._address):
            text = "This page answers to its own address only: use the machine's IP address, localhost or its name."
            return PlainTextResponse(text, 421)
        if not comes_from_here(method, headers):
            return PlainTextResponse("This was not asked for by the page itself.", 403)
        if self._token is None or OPEN_TO_ALL.fullmatch(path) or knows_token(headers, self._token):
            return None
        if method in SAFE and headers.get("sec-fetch-mode", "navigate") == "navigate":
            asked = f"{quote(path)}?{query}" if query else quote(path)
            return RedirectResponse(f"/login?next={quote(asked, safe='')}", 303)
        return PlainTextResponse("Log in first.", 401)


def is_host_allowed(host: str, address: str) -> bool:
    """Whether a Host header names this machine and not a stranger's name that was made to point at it.

    A name that an attacker owns may lead here (DNS rebinding), an IP address in its place cannot be owned.
    """
    name = _name_in(host)
    if name is None:
        return False
    try:
        named = ip_address(name)
    except ValueError:
        own = socket.gethostname().lower()
        return name == "localhost" or (not ip_address(address).is_loopback and name in (own, f"{own}.local"))
    return named.is_loopback or not ip_address(address).is_loopback


def comes_from_here(method: str, headers: Mapping[str, str]) -> bool:
    """Whether no other site is behind a request: one that changes something must say where it comes from."""
    site = headers.get("sec-fetch-site", "")
    if method in SAFE:
        return site in ("", "same-origin", "none") or headers.get("sec-fetch-mode") == "navigate"
    if (origin := headers.get("origin")) is not None:
        return origin in (f"http://{headers.get('host')}", f"https://{headers.get('host')}")
    return site == "same-origin"


def knows_token(headers: Mapping[str, str], token: str) -> bool:
    """Whether the cookie holds the token."""
    given = cookie_parser(headers.get("cookie", "")).get(COOKIE)
    return given is not None and is_token(given, token)


def is_token(given: str, token: str) -> bool:
    """Compares in a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def local_path(given: str) -> str:
    """A path on this page that somebody wants to go on to; the first page where it is none."""
    return given if re.fullmatch(r"/(?![/\\])[!-~]*", given) else "/"


def _name_in(host: str) -> str | None:
    try:
        return None if "@" in host else urlsplit(f"//{host}").hostname
    except ValueError:
        return None
