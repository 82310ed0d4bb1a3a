import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from bibwatch.log import Throttle
from bibwatch.service.health import Changes, Reason, link_reasons, reasons


def test_one_kind_of_trouble_is_one_reason_with_an_example_and_a_count() -> None:
    full = {Path(f"/bibs/2419/{number}.jpg"): "no space left on device" for number in range(10_000)}
    other = {Path("/bibs/17/a.jpg"): "a file of somebody else is in the way"}
    assert [str(reason) for reason in link_reasons(full | other)] == [
        "/bibs/2419/0.jpg, and 9999 more: no space left on device",
        "/bibs/17/a.jpg: a file of somebody else is in the way",
    ]
    assert list(link_reasons({})) == []


def test_the_example_is_of_its_own_kind() -> None:
    troubles = {Path("/bibs/1/a.jpg"): "x", Path("/bibs/2/b.jpg"): "y", Path("/bibs/3/c.jpg"): "y"}
    assert [str(reason) for reason in link_reasons(troubles)] == ["/bibs/1/a.jpg: x", "/bibs/2/b.jpg, and 1 more: y"]


def test_a_reason_is_one_printable_line_whatever_the_photo_is_called() -> None:
    name = Path(os.fsdecode(b"/bibs/1/new\nline\x1b\xff.jpg"))
    [reason] = link_reasons({name: "x"})
    assert str(reason) == r"/bibs/1/new\nline\x1b\xff.jpg: x"


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="bibwatch.service.health")
    return caplog


def because(*texts: str) -> list[Reason]:
    return [Reason(text, text) for text in texts]


def new_lines(told: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    lines = [(record.levelname, record.getMessage()) for record in told.records]
    told.clear()
    return lines


def test_each_reason_is_told_once_and_once_when_it_is_gone(told: pytest.LogCaptureFixture) -> None:
    changes = Changes()
    for _ in range(3):
        changes.tell(because("the disk is full", "a: no such folder"))
    assert sorted(new_lines(told)) == [
        ("WARNING", "degraded: a: no such folder"),
        ("WARNING", "degraded: the disk is full"),
    ]
    for _ in range(3):
        changes.tell(because("the disk is full", "b: no such folder"))
    assert new_lines(told) == [("WARNING", "degraded: b: no such folder"), ("INFO", "well again: a: no such folder")]
    for _ in range(3):
        changes.tell([])
    assert sorted(new_lines(told)) == [
        ("INFO", "well again: b: no such folder"),
        ("INFO", "well again: the disk is full"),
    ]


def test_counts_and_examples_may_change_without_a_word(told: pytest.LogCaptureFixture) -> None:
    changes = Changes()
    for count in (1, 2, 3):
        changes.tell([Reason("links: full", f"a.jpg, and {count} more: full")])
    assert new_lines(told) == [("WARNING", "degraded: a.jpg, and 1 more: full")]
    changes.tell([])
    assert new_lines(told) == [("INFO", "well again: a.jpg, and 3 more: full")]


def test_a_reason_that_comes_back_is_told_again(told: pytest.LogCaptureFixture) -> None:
    changes = Changes()
    for degraded in (["x"], [], ["x"]):
        changes.tell(because(*degraded))
    assert [message for _, message in new_lines(told)] == ["degraded: x", "well again: x", "degraded: x"]


def test_a_service_that_is_well_from_the_start_says_nothing(told: pytest.LogCaptureFixture) -> None:
    Changes().tell([])
    assert new_lines(told) == []


def why(
    source: dict[Path, str] | None = None,
    inbox: dict[Path, str] | None = None,
    *,
    alive: bool = True,
    **pool: str,
) -> list[Reason]:
    """The reasons in rooms whose parts say this; of the pool, what is amiss there."""
    rooms = SimpleNamespace(
        source=SimpleNamespace(faults=lambda: source or {}, alive=alive),
        inbox=SimpleNamespace(faults=lambda: inbox or {}),
        linking=SimpleNamespace(troubles={}),
        pool=SimpleNamespace(**{"fault": None, "slowed": None, "lack": None, "ready": 1, "workers": 2} | pool),
    )
    return list(reasons(rooms))  # type: ignore[arg-type]


def test_both_what_hides_photos_and_what_keeps_events_away_are_named() -> None:
    found = why({Path("/in"): "events were lost"}, {Path("/in"): "it is missing"})
    assert [str(reason) for reason in found] == ["/in: it is missing", "/in: events were lost"]


def test_another_reason_at_the_same_folder_is_told_and_another_count_is_not(told: pytest.LogCaptureFixture) -> None:
    changes = Changes()
    for text in ("it has not answered for 31 s", "it has not answered for 32 s", "it was found empty"):
        changes.tell(why(inbox={Path("/in"): text}))
    assert new_lines(told) == [
        ("WARNING", "degraded: /in: it has not answered for 31 s"),
        ("WARNING", "degraded: /in: it was found empty"),
        ("INFO", "well again: /in: it has not answered for 32 s"),
    ]


def test_the_same_at_folders_whose_names_differ_by_a_digit_is_told_of_each(told: pytest.LogCaptureFixture) -> None:
    changes = Changes()
    first, second = {Path("/cam1"): "it is missing"}, {Path("/cam2"): "it is missing"}
    for away in (first, first | second, second, {}):
        changes.tell(why(inbox=away))
    assert [line for _, line in new_lines(told)] == [
        "degraded: /cam1: it is missing",
        "degraded: /cam2: it is missing",
        "well again: /cam1: it is missing",
        "well again: /cam2: it is missing",
    ]


def test_another_example_is_no_news(told: pytest.LogCaptureFixture) -> None:
    changes = Changes()
    for example in ("1, such as anna.jpg", "2, such as anna.jpg", "1, such as bert.jpg"):
        changes.tell(why(inbox={Path("/c"): f"photos cannot be looked at ({example}): Input/output error"}))
    assert len(new_lines(told)) == 1


def test_a_flood_of_reasons_holds_none_back(told: pytest.LogCaptureFixture) -> None:
    throttle = Throttle(lambda: 1000.0)
    Changes().tell(because(*map(str, range(100))))
    assert all(throttle.filter(record) for record in told.records)


def test_readers_that_do_not_start_or_start_slowly_are_named_and_scans_that_ended() -> None:
    assert why() == []
    [engine] = why(fault="no model", slowed="five died")
    assert str(engine) == "1 of 2 readers are ready, others do not start: no model"
    [readers] = why(slowed="five died")
    assert str(readers) == "five died"
    [device] = why(lack="no such GPU")
    assert "on the processor: no such GPU" in str(device)
    [scans] = why(alive=False)
    assert "restart it" in str(scans)
