"""People who look at the page, many at once: open streams, and requests at an even pace, until SIGTERM."""

import asyncio
import itertools
import json
import signal
import sys
import time
from collections import Counter
from statistics import median, quantiles
from urllib.parse import urlsplit

CONNECTIONS = 64  # that requests go out on, by turns
PATHS = (
    "/",
    "/find?q=2419",
    "/bibs",
    "/review",
    "/photo/1",
    "/photo/2/small",
    "/photo/3",
    "/find?q=30",
    "/photo/4/small",
)


class Audience:
    """So many open streams and requests a second."""

    def __init__(self, address: str, streams: int, rate: int) -> None:
        parts = urlsplit(address)
        self._host, self._port, self._netloc = parts.hostname, parts.port, parts.netloc
        self._streams, self._rate = streams, rate
        self.waited_ms: list[float] = []
        self.answers: Counter[int] = Counter()  # by status, 0 where there was none
        self.events = 0

    async def run(self) -> None:
        enough = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, enough.set)
        begun = time.monotonic()
        tasks = [asyncio.create_task(self._listen()) for _ in range(self._streams)]
        tasks += [asyncio.create_task(self._ask(number, begun)) for number in range(CONNECTIONS)]
        await enough.wait()
        for task in tasks:
            task.cancel()

    async def _listen(self) -> None:
        reader, _ = await self._opened("/live")
        while line := await reader.readline():
            self.events += line.startswith(b"data:")

    async def _ask(self, number: int, begun: float) -> None:
        """Every so-manieth request, on a connection of its own that is kept."""
        reader, writer = None, None
        for turn in itertools.count(number, CONNECTIONS):
            due = begun + turn / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            sent = time.monotonic()
            try:
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection(self._host, self._port)
                writer.write(self._request(PATHS[turn % len(PATHS)]))
                status = await _answer(reader)
            except (OSError, asyncio.IncompleteReadError):
                reader, writer, status = None, None, 0
            self.answers[status] += 1
            self.waited_ms.append((time.monotonic() - sent) * 1000)

    async def _opened(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(self._request(path))
        return reader, writer

    def _request(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: {self._netloc}\r\n\r\n".encode()


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read one answer; its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(line.split(":")[1] for line in head.split("\r\n") if line.startswith("content-length:"))
    await reader.readexactly(int(length))
    return int(head.split()[1])


def main(address: str, streams: int, rate: int) -> None:
    audience = Audience(address, streams, rate)
    asyncio.run(audience.run())
    told = {
        "requests": len(audience.waited_ms),
        "answers": audience.answers,
        "events": audience.events,
        "median_ms": round(median(audience.waited_ms), 1),
        "p95_ms": round(quantiles(audience.waited_ms, n=20)[-1], 1),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
