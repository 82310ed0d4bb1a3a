"""What `status` says to people, once and again and again."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support import HANG_S, Race, draw_photo


@contextmanager
def watching(race: Race) -> Iterator["subprocess.Popen[str]"]:
    """`bibwatch status --watch`, printing to a pipe."""
    command = [*race.program, "status", "--watch", "-c", str(race.config)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as shown:
        try:
            yield shown
        finally:
            shown.kill()


def read_until(shown: "subprocess.Popen[str]", is_there: Callable[[str], object]) -> None:
    """Read what is printed until a line is there; the test's own timeout ends a wait in vain."""
    assert shown.stdout is not None
    for line in shown.stdout:
        if is_there(line):
            return
    raise AssertionError("it ended")


def interrupted(shown: "subprocess.Popen[str]") -> tuple[int, str]:
    """Ctrl-C; the exit code and what was said to standard error."""
    shown.send_signal(signal.SIGINT)
    _, errors = shown.communicate(timeout=HANG_S)
    return shown.returncode, errors


def test_status_names_folders_watches_and_readers(race: Race) -> None:
    race.configure("all", "reader: {workers: 2}\n")
    race.start()
    (race.incoming / "cam1").mkdir()
    draw_photo(race.incoming / "cam1" / "a.jpg", "2419")
    race.until(lambda: race.status()["watches"] == 2, "the new folder is watched")
    race.until(lambda: race.status()["workers"]["ready"] == 2, "both readers are ready")
    race.until_done(1)
    race.until(lambda: race.status()["workers"]["busy"] == 0, "the service has said so")
    result = race.command("status")
    assert result.returncode == 0
    assert race.process is not None
    lines = result.stdout.splitlines()
    assert lines[0] == f"bibwatch is ok (process {race.process.pid})"
    for expected in (
        rf"folder    {re.escape(str(race.incoming))}",
        r"watches   2 folders, sub-folders included",
        r"photos    1 done, 0 failed, 0 waiting, 0 reading",
        r"readers   2 of 2 ready \(ppocr on cpu\), 0 photos in hand, 0 replaced",
        rf"last      {re.escape(str(race.incoming))}/cam1/a\.jpg",
    ):
        assert [line for line in lines if re.fullmatch(expected, line)], (expected, lines)


@pytest.mark.long
def test_a_folder_that_is_away_is_named_with_what_is_wrong_until_it_is_back(service: Race) -> None:
    service.incoming.rename(service.folder / "unplugged")
    service.until(lambda: service.status()["state"] == "degraded", "its absence shows")
    result = service.command("status")
    assert result.returncode == 1
    [line] = [line for line in result.stdout.splitlines() if line.startswith("folder ")]
    assert re.fullmatch(rf"folder    {re.escape(str(service.incoming))}: .+", line)
    (service.folder / "unplugged").rename(service.incoming)
    service.until(lambda: service.status()["state"] == "ok", "it is back")
    assert f"folder    {service.incoming}\n" in service.command("status").stdout


def test_a_service_that_was_killed_is_down_and_nothing_old_is_shown_of_it(service: Race) -> None:
    service.kill()
    result = service.command("status")
    assert result.returncode == 2
    assert result.stdout.startswith("bibwatch is down\n  ! the service is not running")
    assert not re.search(r"^(folder|watches|readers|rate|settling) ", result.stdout, re.MULTILINE)


def test_watched_through_a_pipe_the_status_is_shown_anew_until_ctrl_c(service: Race) -> None:
    with watching(service) as shown:
        for _ in range(2):
            read_until(shown, lambda line: line.startswith("bibwatch is ok"))
        draw_photo(service.incoming / "a.jpg", "2419")
        read_until(shown, lambda line: line.startswith("photos    1 done"))
        assert interrupted(shown) == (0, "")


def test_the_exit_code_of_a_watched_status_is_that_of_the_last_state(service: Race) -> None:
    with watching(service) as shown:
        read_until(shown, lambda line: line.startswith("bibwatch is ok"))
        service.configure("all", "colour: blue\n")
        read_until(shown, lambda line: line.startswith("bibwatch is degraded"))
        read_until(shown, lambda line: "colour: no such key" in line)
        assert interrupted(shown) == (1, "")
    service.configure("all")
    with watching(service) as shown:
        read_until(shown, lambda line: line.startswith("bibwatch is ok"))
        service.stop()
        read_until(shown, lambda line: line.startswith("bibwatch is down"))
        assert interrupted(shown) == (2, "")
