"""The page may be left open on a machine at the finish line: who may ask for what, and how much of it."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bibwatch.web.files import MOST_DOWNLOADS
from bibwatch.web.guard import COOKIE
from bibwatch.web.live import MOST_STREAMS
from bibwatch.web.serve import MOST_CONNECTIONS, SILENT_S
from bibwatch.web.words import MOST_BYTES, WRONG_S
from tests.page import RaceWithPage, reading

TOKEN = "a-long-token-of-letters"
EVIL = '<img src=x onerror="document.title=1">.jpg'


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RaceWithPage]:
    made = RaceWithPage(tmp_path_factory.mktemp("page"))
    made.read("a.jpg", "2419")
    made.start()
    made.until(lambda: "2419" in made.get("/").text)
    yield made
    made.stop()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RaceWithPage]:
    made = RaceWithPage(tmp_path, token=TOKEN)
    made.start()
    yield made
    made.stop()


def test_it_listens_on_this_machine_only(race: RaceWithPage) -> None:
    addresses = {
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    }
    assert [one for one in addresses if int(one.split(":")[1], 16) == race.port] == [f"0100007F:{race.port:04X}"]


@pytest.mark.parametrize("path", ["/", "/live", "/photo/1/small", "/static/page.js", "/zip?bib=2419"])
def test_a_strangers_name_that_leads_here_gets_nothing(race: RaceWithPage, path: str) -> None:
    refused = race.get(path, Host="evil.example.com")
    assert (refused.status, b"2419" in refused.body) == (421, False)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": ""},
    ],
)
def test_no_other_page_can_make_a_browser_change_anything(race: RaceWithPage, headers: dict[str, str]) -> None:
    refused = race.post("/photo/1/say", [("do", "none")], **headers)
    assert refused.status == 403
    assert race.bibs(1) == ["2419"]


def test_nothing_is_changed_by_looking(race: RaceWithPage) -> None:
    assert race.get("/photo/1/say?do=none").status == 405
    assert race.bibs(1) == ["2419"]


def test_no_other_page_can_show_its_pictures_or_hear_its_events(race: RaceWithPage) -> None:
    for path in ("/photo/1/small", "/live", "/zip?bib=2419"):
        assert race.get(path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403


@pytest.mark.parametrize("path", ["/", "/photo/1", "/photo/1/small", "/static/page.css", "/nothing", "/zip?bib=0"])
def test_browsers_are_told_what_to_allow(race: RaceWithPage, path: str) -> None:
    headers = race.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/find?q=2419", "/photo/1", "/review", "/bibs", "/login"])
def test_no_page_holds_a_script_or_a_style_of_its_own(race: RaceWithPage, path: str) -> None:
    page = race.get(path).body.decode()
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:", page) == []


@pytest.mark.parametrize(
    "path",
    [
        "/static/../web/guard.py",
        "/static/..%2f..%2fconfig.yaml",
        "/static/%2e%2e/guard.py",
        "/static//etc/passwd",
        "/photo/..%2f..%2fconfig.yaml/small",
        "/photo/1/..%2f..%2foriginal",
        "/photo/1/..",
        "/photo/999/original",
        "/photo/99999999999999999999999/original",
        f"/photo/{'9' * 5000}",
        "/photo/-1/small",
        "/zip?bib=../../incoming",
    ],
)
def test_no_path_in_a_request_touches_the_disk(race: RaceWithPage, path: str) -> None:
    refused = race.get(path)
    assert refused.status in (404, 405, 410)
    assert b"watch:" not in refused.body


def test_a_photo_that_became_a_link_to_something_else_is_not_followed(race: RaceWithPage) -> None:
    photo_id = race.read("turned.jpg", "5")
    (race.folder / "secret.txt").write_text("secret")
    (race.incoming / "turned.jpg").unlink()
    (race.incoming / "turned.jpg").symlink_to(race.folder / "secret.txt")
    for kind in ("original", "small", "large"):
        refused = race.get(f"/photo/{photo_id}/{kind}")
        assert (refused.status, b"secret" in refused.body) == (410, False)


def test_names_and_texts_of_photos_are_text_on_every_page(race: RaceWithPage) -> None:
    photo_id = race.read(EVIL, reading('2419<script>x()</script>"'), reading("<b>77</b>", 0.99))
    odd = race.read("\udcff\n\x1b[2J.jpg", "88")
    race.until(lambda: "onerror" in race.get("/").text)
    race.post(f"/photo/{photo_id}/say", [("do", "add"), ("bibs", "<script>7")])
    race.post(f"/photo/{odd}/say", [("do", "add"), ("bibs", "<script>7")])
    for path in (
        "/",
        "/find?q=%3Cscript%3E7",
        f"/photo/{photo_id}",
        f"/photo/{odd}",
        "/review",
        "/bibs",
        "/bibs?q=%3C",
    ):
        page = race.get(path).body.decode()
        assert "<img src=x" not in page
        assert re.findall(r"<script(?![^>]* src=)|<b>77", page) == []
        assert "\x1b" not in page
    assert "&lt;img src=x onerror=&#34;document.title=1&#34;&gt;.jpg" in race.get(f"/photo/{photo_id}").body.decode()
    assert race.get("/find?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").body.count(b"<script") == 1
    assert race.get(f"/photo/{odd}/original").headers["content-disposition"].isprintable()


def test_a_bib_that_is_none_is_refused_and_said_why(race: RaceWithPage) -> None:
    for fields in ([("do", "add"), ("bibs", "../x")], [("do", "add"), ("bibs", " ")], [("do", "burn"), ("bibs", "7")]):
        refused = race.post("/photo/1/say", fields)
        assert refused.status == 422
        assert "is no bib" in refused.text or "say which bibs" in refused.text
    assert race.bibs(1) == ["2419"]


def test_a_form_that_is_too_large_or_none_is_refused(race: RaceWithPage) -> None:
    large = [("do", "add"), ("bibs", "7" * MOST_BYTES)]
    assert race.post("/photo/1/say", large).status == 413
    assert race.post("/photo/1/say", [("do", "add")] * 50).status == 400
    assert race.post("/photo/1/say", [("do", "none")], Content_Type="application/json").status == 415
    assert race.bibs(1) == ["2419"]


def test_a_form_without_end_is_cut_off_however_it_is_sent(race: RaceWithPage) -> None:
    head = "POST /photo/1/say HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n"
    kind = "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", race.port), 10) as connection:
        connection.sendall((head + kind).encode())
        try:
            for _ in range(64):
                connection.sendall(b"1000\r\n" + b"7" * 0x1000 + b"\r\n")
            answer = connection.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            return  # cut off before it was all sent
        assert b" 413 " in answer.split(b"\r\n")[0]


def test_a_head_without_end_is_cut_off(race: RaceWithPage) -> None:
    with socket.create_connection(("127.0.0.1", race.port), 10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        try:
            for number in range(200):
                connection.sendall(f"X-{number}: {'a' * 1000}\r\n".encode())
                time.sleep(0.001)
            answer = connection.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            return
        assert answer == b"" or b" 400 " in answer.split(b"\r\n")[0]


def test_streams_are_bounded_and_end_with_those_who_hear_them(race: RaceWithPage) -> None:
    with ExitStack() as open_ones:
        streams = [open_ones.enter_context(race.stream()) for _ in range(MOST_STREAMS)]
        for stream in streams:
            assert b" 200 " in stream.recv(4096)
        refused = race.get("/live")
        assert (refused.status, "Too many pages are open" in refused.text) == (503, True)
        assert race.get("/").status == 200
    race.until(lambda: _can_hear(race))


def test_downloads_are_bounded_and_one_that_is_given_up_makes_room(race: RaceWithPage) -> None:
    (race.incoming / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(40 * 2**20))
    photo_id = race.read("large.jpg", "99")
    request = f"GET /photo/{photo_id}/original HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with ExitStack() as open_ones:
        for _ in range(MOST_DOWNLOADS):
            connection = open_ones.enter_context(socket.create_connection(("127.0.0.1", race.port), 10))
            connection.sendall(request)
            assert b" 200 " in connection.recv(100)  # and no more is taken of it
        refused = race.get(f"/photo/{photo_id}/original")
        assert (refused.status, "Others are downloading" in refused.text) == (503, True)
        assert race.get("/zip?bib=2419").status == 503
        assert race.get("/").status == 200
    race.until(lambda: race.get(f"/photo/{photo_id}/original").status == 200)


@pytest.mark.long
def test_connections_that_ask_for_nothing_are_let_go(race: RaceWithPage) -> None:
    with ExitStack() as open_ones:
        silent = [
            open_ones.enter_context(socket.create_connection(("127.0.0.1", race.port), 3 * SILENT_S))
            for _ in range(MOST_CONNECTIONS)
        ]
        silent[0].sendall(b"GET / HTTP/1.1\r\n")  # and no more of it
        for connection in (silent[0], silent[-1]):
            assert connection.recv(100) == b""
        race.until(lambda: race.get("/").status == 200)


def test_cookies_of_others_neither_hurt_nor_help(guarded: RaceWithPage) -> None:
    for cookie in ("a@b=1", '{"x": 1}', "=;=", "x" * 5000):
        assert guarded.get("/", Cookie=cookie).status == 303
        assert guarded.get("/", Cookie=f'{cookie}; y={{"a":1}}; {COOKIE}={TOKEN}').status == 200


def test_who_is_not_known_hears_nothing_of_the_race_in_an_error_either(guarded: RaceWithPage) -> None:
    guarded.read("a.jpg")
    for path in ("/static/none", "/loginx", "/login/x", "/nothing"):
        assert "left" not in guarded.get(path).text
    assert guarded.get("/find?q=2419&page=2").headers["location"] == "/login?next=%2Ffind%3Fq%3D2419%26page%3D2"


def test_who_leaves_in_the_middle_of_a_form_leaves_nothing_behind(race: RaceWithPage) -> None:
    head = "POST /photo/1/say HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\nContent-Length: 100\r\n"
    with socket.create_connection(("127.0.0.1", race.port), 10) as connection:
        connection.sendall((head + "Content-Type: application/x-www-form-urlencoded\r\n\r\ndo=none").encode())
    assert race.bibs(1) == ["2419"]


def _can_hear(race: RaceWithPage) -> bool:
    with race.stream() as stream:
        return b" 200 " in stream.recv(4096)


def test_with_a_token_nothing_is_shown_to_who_does_not_know_it(guarded: RaceWithPage) -> None:
    for path in ("/", "/find?q=2419", "/photo/1", "/bibs"):
        sent_on = guarded.get(path)
        assert (sent_on.status, sent_on.headers["location"].startswith("/login?next=%2F")) == (303, True)
    for path in ("/live", "/photo/1/small", "/zip?bib=1"):
        assert guarded.get(path, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors").status == 401
    assert guarded.post("/photo/1/say", [("do", "none")]).status == 401
    assert guarded.get("/", Cookie=f"{COOKIE}=another-token-of-letters").status == 303


def test_who_knows_the_token_gets_a_cookie_that_no_script_and_no_other_site_can_use(guarded: RaceWithPage) -> None:
    begun = time.monotonic()
    wrong = guarded.post("/login", [("token", TOKEN[:-1]), ("next", "/bibs")])
    assert (wrong.status, "set-cookie" in wrong.headers) == (403, False)
    assert time.monotonic() - begun >= WRONG_S  # guessing is slow
    right = guarded.post("/login", [("token", TOKEN), ("next", "/bibs")])
    assert (right.status, right.headers["location"]) == (303, "/bibs")
    cookie = right.headers["set-cookie"]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= attributes
    assert guarded.get("/", Cookie=cookie.split(";")[0]).status == 200
    assert guarded.post("/login", [("token", TOKEN), ("next", "//evil.example.com")]).headers["location"] == "/"
    assert TOKEN not in guarded.get("/login").body.decode()
    assert guarded.post("/login", [("token", TOKEN)], Origin="http://evil.example.com").status == 403
