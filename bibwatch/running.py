"""The service as a process of its own, for those who show or measure it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bibwatch.errors import CouldNotStart

PATIENCE_S = 120.0
STOP_S = 15.0


@contextmanager
def running_service(folder: Path, config_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`bibwatch run` in a folder, with its log in `bibwatch.log` there, stopped with SIGTERM at the end."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # or it would be left behind
    log = folder / "bibwatch.log"
    command = [sys.executable, "-m", "bibwatch", "run", "-c", str(config_path)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, cwd=folder) as process:
        try:
            yield process
        except CouldNotStart as error:
            raise CouldNotStart(f"{error}; the service's log ends with:\n{log.read_text()[-2000:]}") from error
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
            signal.signal(signal.SIGTERM, before)


def wait_until(
    is_true: Callable[[], bool], process: subprocess.Popen[bytes], patience_s: float = PATIENCE_S, every_s: float = 0.1
) -> None:
    """Look now and then whether something is so.

    Raises:
        CouldNotStart: the service ended by itself, or it took too long.
    """
    deadline = time.monotonic() + patience_s
    while not is_true():
        if process.poll() is not None:
            raise CouldNotStart(f"the service ended by itself, with exit code {process.returncode}")
        if time.monotonic() > deadline:
            raise CouldNotStart(f"the service was not done within {patience_s:g} s")
        time.sleep(every_s)
