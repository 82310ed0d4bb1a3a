"""The page's own process: what it does from its start to its end."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from bibwatch.children import belong_to
from bibwatch.web.wiring import Wiring

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol

NICENESS = 10  # reading photos comes first: a page that takes all it can get takes a tenth of one core from it
BACKLOG = 128  # connections that wait to be taken
MOST_CONNECTIONS = 300  # open at once, streams among them; those beyond are told to come back
HEADERS_MOST = 32 * 2**10  # bytes
REST_S = 5.0  # that a connection may idle after an answer
SILENT_S = 10.0  # that a connection may take to ask for something
TRIES, TRY_S = 20, 0.1  # to take the address, which the page before this one may just be leaving


@dataclass(frozen=True, slots=True)
class Serving:
    """The page is there, at this address."""

    address: str


@dataclass(frozen=True, slots=True)
class NotServing:
    """There is no page, for this reason."""

    reason: str


def live(connection: Connection, parent: int) -> None:
    """The page's main function, which is sent its wiring; ends with its parent."""
    belong_to(parent, niceness=NICENESS)
    wiring: Wiring = connection.recv()
    try:
        listening = _listen(*wiring.listen)
    except OSError as error:
        connection.send(NotServing(f"{_shown(*wiring.listen)}: cannot be listened on: {error.strerror}"))
        return
    host, port, *_ = listening.getsockname()
    connection.send(Serving(f"http://{_shown(host, port)}"))
    asyncio.run(_serve(wiring, listening))


async def _serve(wiring: Wiring, listening: socket.socket) -> None:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from bibwatch.web.app import build
    from bibwatch.web.site import Site

    config = uvicorn.Config(
        build(Site(wiring)),
        http=_impatient(H11Protocol),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=round(REST_S),
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=HEADERS_MOST,
    )
    await uvicorn.Server(config).serve(sockets=[listening])


def _impatient(protocol: type[H11Protocol]) -> type[H11Protocol]:
    """One that lets go of connections that ask for nothing: uvicorn itself waits for a first request without end."""

    class Impatient(protocol):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._answered = self.cycle  # the request that was there when this was last looked at
            self._look_later()

        def connection_lost(self, exc: Exception | None) -> None:
            self._look.cancel()
            super().connection_lost(exc)

        def _look_later(self) -> None:
            self._look = self.loop.call_later(SILENT_S, self._let_go_if_silent)

        def _let_go_if_silent(self) -> None:
            if self.cycle is self._answered and (self.cycle is None or self.cycle.response_complete):
                self.transport.close()
            else:
                self._answered = self.cycle
                self._look_later()

    return Impatient


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, or asyncio would leave small packets waiting for each other, 40 ms an answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for left in reversed(range(TRIES)):
        try:
            listening.bind((host, port))
            break
        except OSError:
            if not left:
                raise
            time.sleep(TRY_S)
    listening.listen(BACKLOG)
    return listening


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
