import pytest

from bibwatch.web.guard import COOKIE, comes_from_here, is_host_allowed, knows_token, local_path

TOKEN = "a-long-token-of-letters"


@pytest.mark.parametrize("host", ["127.0.0.1:8350", "127.0.0.1", "localhost:9000", "[::1]:8350", "LOCALHOST"])
def test_a_page_for_this_machine_answers_to_its_own_names(host: str) -> None:
    assert is_host_allowed(host, "127.0.0.1")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "example.com:8350",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "10.0.0.7",
        "a@127.0.0.1",
        "[::1",
    ],
)
def test_a_page_for_this_machine_answers_to_no_name_that_may_be_a_strangers(host: str) -> None:
    assert not is_host_allowed(host, "127.0.0.1")


def test_a_page_for_others_answers_to_addresses_and_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Ingest")
    for host in ("10.0.0.7:8350", "[fe80::1]:8350", "127.0.0.1", "localhost", "ingest:8350", "ingest.local"):
        assert is_host_allowed(host, "0.0.0.0")
    for host in ("example.com", "ingest.example.com", ""):
        assert not is_host_allowed(host, "0.0.0.0")


@pytest.mark.parametrize(
    ("method", "headers", "allowed"),
    [
        ("POST", {"origin": "http://127.0.0.1:8350"}, True),
        ("POST", {"origin": "https://127.0.0.1:8350"}, True),  # behind somebody's TLS
        ("POST", {"origin": "http://127.0.0.1:9999"}, False),
        ("POST", {"origin": "http://example.com"}, False),
        ("POST", {"origin": "null"}, False),
        ("POST", {"origin": "http://example.com", "sec-fetch-site": "same-origin"}, False),
        ("POST", {"sec-fetch-site": "same-origin"}, True),
        ("POST", {"sec-fetch-site": "same-site"}, False),
        ("POST", {}, False),
        ("GET", {}, True),
        ("GET", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, True),
        ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),  # a link on another page
        ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),  # a picture in another page
        ("GET", {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, False),
    ],
)
def test_what_changes_something_must_come_from_the_page_itself(
    method: str, headers: dict[str, str], allowed: bool
) -> None:
    assert comes_from_here(method, {"host": "127.0.0.1:8350"} | headers) == allowed


@pytest.mark.parametrize(
    ("cookie", "known"),
    [
        (f"{COOKIE}={TOKEN}", True),
        (f"other=1; {COOKIE}={TOKEN}", True),
        (f"{COOKIE}={TOKEN}x", False),
        (f"{COOKIE}=", False),
        (f"{COOKIE}=\udcff", False),
        (f"x{COOKIE}={TOKEN}", False),
        ("", False),
        ("=;=;", False),
    ],
)
def test_the_cookie_must_hold_the_token(cookie: str, known: bool) -> None:
    assert knows_token({"cookie": cookie}, TOKEN) == known


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/photo/7?bib=9", "/photo/7?bib=9"),
        ("//example.com", "/"),
        ("///example.com", "/"),
        ("/\\example.com", "/"),
        ("https://example.com/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("", "/"),
    ],
)
def test_after_a_form_only_this_page_is_gone_on_to(given: str, path: str) -> None:
    assert local_path(given) == path
