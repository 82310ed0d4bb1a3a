"""The page's own process: what it does from its start to its end."""

import asyncio
import socket
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bibwatch.children import belong_to
from bibwatch.web.wiring import Wiring

NICENESS = 10  # reading photos comes first: a page that takes all it can get takes a tenth of one core from it
BACKLOG = 128  # connections that wait to be taken
MOST_CONNECTIONS = 300  # open at once, streams among them; those beyond are told to come back
HEADERS_MOST = 32 * 2**10  # bytes
REST_S = 5.0  # that a connection may idle
TRIES, TRY_S = 20, 0.1  # to take the address, which the page before this one may just be leaving


@dataclass(frozen=True, slots=True)
class Serving:
    """The page is there, at this address."""

    address: str


@dataclass(frozen=True, slots=True)
class NotServing:
    """There is no page, for this reason."""

    reason: str


def live(connection: Connection, wiring: Wiring, parent: int) -> None:
    """The page's main function; ends with its parent."""
    belong_to(parent, niceness=NICENESS)
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

    from bibwatch.web.app import build
    from bibwatch.web.site import Site

    config = uvicorn.Config(
        build(Site(wiring)),
        http="h11",
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
