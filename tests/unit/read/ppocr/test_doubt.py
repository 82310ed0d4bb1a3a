import numpy as np
import pytest

from bibwatch.read.ppocr.doubt import Seen, Window, merged, whole_lines, windows
from bibwatch.read.ppocr.lines import Cut
from bibwatch.read.ppocr.texts import Text
from bibwatch.values import Box

SIZE = (1200, 1600)  # height and width of the photo in pixels
PHOTO = Window(Box(0, 0, 1600, 1200), (1536, 2048))


def seen(text: str, x: float, y: float, score: float = 1.0, heat: float = 0.9) -> Seen:
    """A text 30 pixels high, and 20 wide for each character, with its top left corner there."""
    wide = 20 * max(1, len(text))
    corners = np.array(((x, y), (x + wide, y), (x + wide, y + 30), (x, y + 30)), np.float32)
    return Seen(Cut(corners, heat, wide, 30), Text(text, score, np.zeros((1, 1), np.float32)))


def texts(of: list[Seen]) -> list[str]:
    return [one.text.text for one in of]


@pytest.mark.parametrize(
    ("one", "is_sure"),
    [
        (seen("2419", 0, 0), True),
        (seen("2419", 0, 0, score=0.8), False),  # what it says is not
        (seen("2419", 0, 0, heat=0.4), False),  # where it is is not
        (seen("MARATHON", 0, 0, heat=0.4), True),  # surely no number
        (seen("M", 0, 0, score=0.5, heat=0.6), False),
        (seen("", 0, 0, score=0.0, heat=0.4), False),
    ],
)
def test_a_text_is_sure_or_is_not(one: Seen, is_sure: bool) -> None:
    assert one.is_sure is is_sure


def test_nothing_is_looked_at_again_where_all_is_sure() -> None:
    assert windows([seen("2419", 100, 100), seen("CITY RUN", 100, 60)], PHOTO, in_parts=True) == []


@pytest.mark.parametrize("of", [[], [seen("CITY RUN", 100, 60)], [seen("2419", 100, 100, score=0.5)]])
def test_a_photo_without_a_sure_number_is_looked_at_wholly(of: list[Seen]) -> None:
    assert windows(of, PHOTO, in_parts=True) == [PHOTO]


def test_the_surroundings_of_a_doubtful_text_are_looked_at() -> None:
    [window] = windows([seen("2419", 100, 100), seen("30", 800, 600, score=0.5)], PHOTO, in_parts=True)
    box = window.box
    assert box.x0 <= 800 - 60 <= 840 + 60 <= box.x1
    assert box.y0 <= 600 - 60 <= 630 + 60 <= box.y1
    assert window.seen[0] % 32 == window.seen[1] % 32 == 0
    assert window.size[1] * 1.28 == pytest.approx(window.seen[1], abs=2)  # at the same scale as the whole
    assert window.seen[0] * window.seen[1] < 0.1 * PHOTO.seen[0] * PHOTO.seen[1]


def test_doubtful_texts_beside_each_other_share_a_window_and_others_have_their_own() -> None:
    of = [seen("2419", 100, 100), *(seen("3", x, y, score=0.5) for x, y in ((800, 600), (850, 640), (1500, 1150)))]
    found = windows(of, PHOTO, in_parts=True)
    assert len(found) == 2
    assert (found[1].box.x1, found[1].box.y1) == (1600, 1200)  # never beyond the photo


def test_all_of_the_photo_is_looked_at_where_parts_are_not_cheaper() -> None:
    of = [seen("2419", 100, 100), seen("30", 800, 600, score=0.5)]
    assert windows(of, PHOTO, in_parts=False) == [PHOTO]
    assert windows(of[:1], PHOTO, in_parts=False) == []


def test_lines_that_a_windows_edge_may_cut_are_none() -> None:
    window = Window(Box(0, 500, 400, 700), (256, 512))
    cuts = [seen("2419", x, y).cut for x, y in ((2, 80), (150, 2), (150, 80), (318, 80), (150, 168))]
    found = whole_lines(cuts, window, SIZE)
    assert [one.corners[0].tolist() for one in found] == [[2, 580], [150, 580]]  # the photo's own edge cuts nothing


def test_a_number_of_the_second_look_wins_over_a_doubtful_one_and_over_nothing_else() -> None:
    first = [seen("207", 100, 100, score=0.5), seen("3071", 400, 100), seen("44", 700, 100, score=0.5)]
    again = [
        seen("2073", 90, 100),
        seen("307", 400, 100),
        seen("LAP", 700, 100),
        seen("17", 900, 100),
    ]
    assert texts(merged(first, again, SIZE)) == ["3071", "44", "2073", "17"]


def test_a_doubtful_number_stays_where_the_second_look_has_nothing_better() -> None:
    first = [seen("2419", 100, 100), seen("3071", 190, 100, score=0.8), seen("30712", 600, 100, score=0.8)]
    joined, fragment = seen("2419 3071", 100, 100), seen("7", 640, 100)
    assert texts(merged(first, [joined, fragment], SIZE)) == ["2419", "3071", "30712", "7"]


def test_a_number_that_two_windows_show_counts_once() -> None:
    assert texts(merged([], [seen("77", 100, 100), seen("77", 101, 100)], SIZE)) == ["77"]
