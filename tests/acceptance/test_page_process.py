"""The page beside the service: it comes and goes with the config, and whatever happens to it, photos are read."""

import os
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from bibwatch.web.serve import NICENESS
from tests.support import Race, draw_photo, free_port


def page_of(race: Race, path: str = "/") -> str:
    """What the page says; nothing where it is not there, or just going."""
    try:
        with urllib.request.urlopen(f"{race.status()['page']}{path}", timeout=10) as answer:
            return str(answer.read().decode())
    except (OSError, ValueError):
        return ""


def page_pid(race: Race) -> int:
    """The page's process: the child of the service that lets the others come first."""
    assert race.process is not None
    children = Path(f"/proc/{race.process.pid}/task/{race.process.pid}/children").read_text().split()
    [pid] = [int(child) for child in children if os.getpriority(os.PRIO_PROCESS, int(child)) == NICENESS]
    return pid


def test_the_page_comes_and_goes_with_the_config(service: Race) -> None:
    assert service.status()["page"] is None
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    service.configure("all", f"web: {{listen: '127.0.0.1:{port}'}}\n")
    service.until(lambda: service.status()["page"] == address, "the page is there")
    draw_photo(service.incoming / "a.jpg", "2419")
    service.until(lambda: "a.jpg: 2419" in page_of(service), "the page shows the photo")
    service.configure("[2419, 55]", f"web: {{listen: '127.0.0.1:{port}'}}\n")
    service.until(lambda: "Wanted, and not seen yet" in page_of(service, "/bibs"), "the page knows of the targets")
    # Status, told once a second, may still be of the moment between the two pages.
    service.until(lambda: service.status()["page"] == address, "status knows of the new page")
    service.configure("all")
    service.until(lambda: service.status()["page"] is None, "the page is gone")
    socket.create_server(("127.0.0.1", port)).close()
    assert service.status()["state"] == "ok"


@pytest.mark.long
def test_a_page_that_dies_comes_again_and_one_whose_address_is_taken_waits_for_it(race: Race) -> None:
    port = free_port()
    race.configure("all", f"web: {{listen: '127.0.0.1:{port}'}}\n")
    with socket.create_server(("127.0.0.1", port)):
        race.start()
        race.until(lambda: race.status()["state"] == "degraded", "the address is taken")
        told = f"the page is not there: 127.0.0.1:{port}: cannot be listened on: Address already in use"
        assert race.status()["degraded"] == [told]
        draw_photo(race.incoming / "a.jpg", "2419")
        race.until(lambda: race.links() == {"2419/a.jpg"}, "photos are linked all the same")
    race.until(lambda: race.status()["state"] == "ok", "the address was free, and the page is there")
    os.kill(page_pid(race), signal.SIGKILL)
    race.until(lambda: any("its process ended" in reason for reason in race.status()["degraded"]), "status says so")
    race.until(lambda: "a.jpg: 2419" in page_of(race), "the page is there again")
    race.until(lambda: race.status()["state"] == "ok", "and all is well")


@pytest.mark.long
def test_no_page_and_no_picture_maker_outlives_the_service(race: Race) -> None:
    port = free_port()
    race.configure("all", f"web: {{listen: '127.0.0.1:{port}'}}\n")
    draw_photo(race.incoming / "a.jpg", "2419")
    for end in (race.stop, race.kill):
        race.start()
        race.until(lambda: "a.jpg: 2419" in page_of(race), "the page shows the photo")
        urllib.request.urlopen(f"http://127.0.0.1:{port}/photo/1/small").close()
        page = page_pid(race)
        threads = Path(f"/proc/{page}/task").iterdir()
        family = [page, *(int(pid) for thread in threads for pid in (thread / "children").read_text().split())]
        assert len(family) > 1
        end()
        race.until(lambda family=family: not any(Path(f"/proc/{pid}").exists() for pid in family), "all have ended")  # type: ignore[misc]
        (race.folder / "bibwatch.db.pictures").rename(race.folder / f"pictures-{page}")


def test_a_scan_shows_no_page(race: Race) -> None:
    port = free_port()
    race.configure("all", f"web: {{listen: '127.0.0.1:{port}'}}\n")
    draw_photo(race.incoming / "a.jpg", "2419")
    with socket.create_server(("127.0.0.1", port)):  # which a page would complain of
        done = race.command("scan")
    assert (done.returncode, done.stderr.count("page")) == (0, 0)
