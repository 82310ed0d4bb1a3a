"""Server-sent events: open pages hear that something changed, and ask for what they show again."""

import asyncio
import json
from collections.abc import AsyncIterator

MOST_STREAMS = 64  # open at once; one more is refused, so that forgotten tabs cannot fill the machine
REST_S = 1.0  # between two events of one stream
ALIVE_S = 15.0  # without an event, after which a comment shows that the connection stands
RETRY_MS = 2000  # after which a browser that lost its connection tries again


class Hub:
    """Tells streams apart by nothing but what they have heard: one that is slow hears the latest only."""

    def __init__(self) -> None:
        self.streams = 0
        self.version = 0
        self._changed = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether no more streams may be opened."""
        return self.streams >= MOST_STREAMS

    def tell(self) -> None:
        """Something that pages show has changed."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def stream(self) -> AsyncIterator[bytes]:
        """One page's events, until it goes."""
        self.streams += 1
        try:
            yield f"retry: {RETRY_MS}\n".encode()
            heard = None
            while True:
                if heard != self.version:
                    heard = self.version
                    yield f"data: {json.dumps({'version': heard})}\n\n".encode()
                    await asyncio.sleep(REST_S)
                    continue
                try:
                    await asyncio.wait_for(self._changed.wait(), ALIVE_S)
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self.streams -= 1
