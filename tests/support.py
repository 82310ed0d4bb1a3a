"""What tests and the benchmark share: drawn photos, and the installed command with real processes and signals."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bibwatch.config import Config
from bibwatch.draw import Runner, draw_scene
from bibwatch.service.desk import open_desk

SHARED = Path(__file__).resolve().parents[2] / "shared"
BIBWATCH = [str(Path(sys.executable).with_name("bibwatch"))]
HANG_S = 120.0


class Race:
    """A folder with a config, an incoming folder, and perhaps a running service."""

    program = BIBWATCH

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        self.incoming.mkdir(parents=True)
        self.bibs = folder / "bibs"
        self.config = folder / "config.yaml"
        self.process: subprocess.Popen[bytes] | None = None
        self.configure("all")

    def configure(self, targets: str, more: str = "") -> None:
        self.config.write_text(f"watch:\n  - path: incoming\ntargets: {targets}\n{more}")

    def start(self) -> None:
        """`bibwatch run`, until its children are ready to read."""
        log = (self.folder / "service.log").open("ab")
        self.process = subprocess.Popen([*self.program, "run", "-c", str(self.config)], stdout=log, stderr=log)
        log.close()
        self.until(lambda: self.status().get("workers", {}).get("ready"), "the service is ready")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(10)
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9, as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        name, *rest = arguments
        return subprocess.run(
            [*self.program, name, "-c", str(self.config), *rest],
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        return json.loads(self.command("status", "--json").stdout or "{}")  # type: ignore[no-any-return]

    def links(self) -> set[str]:
        """The entries in the bib folders, while they may come and go."""
        found = os.walk(self.bibs)
        return {str(Path(folder, name).relative_to(self.bibs)) for folder, _, names in found for name in names}

    def log(self) -> str:
        return (self.folder / "service.log").read_text()

    def until(self, is_true: Callable[[], object], what: str) -> float:
        """Wait until it is true; returns the seconds it took."""
        begun = time.monotonic()
        while not is_true():
            assert time.monotonic() - begun < HANG_S, f"not within {HANG_S:g} s: {what}\n{self.log()[-3000:]}"
            assert self.process is None or self.process.poll() is None, self.log()[-3000:]
            time.sleep(0.02)
        return time.monotonic() - begun

    def until_done(self, photos: int) -> None:
        self.until(lambda: self.status().get("queue", {}).get("done") == photos, f"{photos} photos are done")


def stopped_by_hand(command: Sequence[str | Path], timeout_s: float) -> tuple[list[str], str]:
    """Ctrl-C after two lines of a command, which must end well; those lines, and what it printed from then on."""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, errors
    return lines, rest


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def photos_of(config: Config, bib: str) -> list[str]:
    """The file names of a bib's photos, by path."""
    with open_desk(config) as desk:
        return [path.name for path in desk.find(bib, 0)]


def draw_photo(path: Path, *bibs: str, size: tuple[int, int] = (480, 240), seed: int = 1) -> Path:
    """Write a small drawn photo with these bibs, large enough to be read; the suffix decides the format."""
    runners = [Runner(bib, (place + 0.5) / len(bibs), 0.95) for place, bib in enumerate(bibs)]
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_scene(runners, size, seed).save(path)
    return path


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
