"""The page's own process over a race that a test makes up, and a plain client for it."""

import http.client
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from html import unescape
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import urlencode

from PIL import Image

from bibwatch.config import load_config
from bibwatch.match.event import Event
from bibwatch.service.page import Page
from bibwatch.service.setup import rules
from bibwatch.store.readings import Seen
from bibwatch.store.store import Store
from bibwatch.values import Box, Job, Photo, Reading, Shot

ENGINE = "engine:1"
ACCEPT = 0.9
BOX = Box(40, 30, 80, 50)
HANG_S = 30.0


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]  # names in small letters
    body: bytes

    @property
    def text(self) -> str:
        """The page without its tags and runs of blanks."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.body.decode())).split())


class RaceWithPage:
    """A folder with a config, its database, and the page over both. The service is not there: links do not follow."""

    def __init__(self, folder: Path, more: str = "", listen: str = "127.0.0.1:0", token: str | None = None) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        self.incoming.mkdir(exist_ok=True)
        path = folder / "config.yaml"
        web = f"web: {{listen: '{listen}', token: {token or 'null'}}}"
        more = more or "targets: all"
        accept = "" if "match:" in more else f"match: {{accept: {ACCEPT}}}\n"
        path.write_text(f"watch: [{{path: incoming}}]\n{more}\n{accept}{web}\n")
        self.config = load_config(path)
        self.store = Store.open(self.config.database)
        self.page = Page()
        self._numbers = count()
        self.port = 0

    def start(self) -> None:
        """Start the page, and wait until it answers."""
        epoch = time.time() - time.monotonic()
        wanted = rules(self.config, Event())
        self.page.show(SimpleNamespace(config=self.config, engine=ENGINE, rules=wanted, epoch=epoch))  # type: ignore[arg-type]
        self.until(lambda: self._tended())
        self.port = int(str(self.page.health()["page"]).rsplit(":", 1)[1])

    def _tended(self) -> bool:
        self.page.tend(time.monotonic())
        return self.page.health()["page"] is not None

    def stop(self) -> None:
        self.page.close()
        self.store.close()

    def read(self, name: str, *readings: str | Reading, size: tuple[int, int] = (120, 80)) -> int:
        """A photo lies there and was read; bibs given as text are sure. Returns its id."""
        return self.finish(self.claimed(name, size), *readings, size=size)

    def claimed(self, name: str, size: tuple[int, int] = (120, 80)) -> Job:
        """A photo lies there, and its turn has begun."""
        path = self.incoming / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            Image.new("RGB", size, "grey").save(path, format="JPEG")
            with path.open("ab") as file:
                file.write(str(next(self._numbers)).encode())  # each is a content of its own
        stat = path.stat()
        self.store.queue.add([Photo(path, stat.st_size, stat.st_mtime_ns)], time.time())
        [job] = [job for job in self.store.queue.claim(time.time() + 1, 9) if job.photo.path == path]
        return job

    def finish(
        self,
        job: Job,
        *readings: str | Reading,
        size: tuple[int, int] = (120, 80),
        now: float | None = None,
        shot: Shot | None = None,
    ) -> int:
        """Its turn ends with these readings. Returns its id."""
        found = tuple(reading(one) if isinstance(one, str) else one for one in readings)
        seen = Seen(sha256(job.photo.path.read_bytes()).digest(), ENGINE, found, *size, 0.1, shot)
        self.store.readings.finish([(job, seen)], time.time() if now is None else now)
        return job.photo_id

    def bibs(self, photo_id: int) -> list[str]:
        """What the page says a photo shows."""
        shown = re.search(r'<ul class="chips">(.*?)</ul>', self.get(f"/photo/{photo_id}").body.decode(), re.DOTALL)
        assert shown is not None
        return re.findall(r"<a [^>]*>([^<]*)</a>", shown[1])

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers)

    def post(self, path: str, fields: Sequence[tuple[str, str]], **headers: str) -> Answer:
        """A form of the page itself, unless the headers say otherwise."""
        own = {"Origin": f"http://127.0.0.1:{self.port}", "Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, own | {name.replace("_", "-"): text for name, text in headers.items()}, fields)

    def ask(
        self, method: str, path: str, headers: dict[str, str], fields: Sequence[tuple[str, str]] | bytes = ()
    ) -> Answer:
        """One request, with no other headers than these and Host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_S)
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        try:
            connection.request(method, path, body or None, {name.replace("_", "-"): t for name, t in headers.items()})
            answer = connection.getresponse()
            found = {name.lower(): text for name, text in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    @contextmanager
    def stream(self) -> Iterator[socket.socket]:
        """One page that is open: its connection, behind the head of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), HANG_S) as connection:
            connection.sendall(f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
            yield connection

    def until(self, is_true: Callable[[], object]) -> None:
        deadline = time.monotonic() + HANG_S
        while not is_true():
            assert time.monotonic() < deadline, self.page.health()
            time.sleep(0.03)


def reading(text: str, score: float = 0.95) -> Reading:
    """What is read with a score below ACCEPT only may be a bib."""
    return Reading(text, score, BOX, 0.9, ENGINE)
