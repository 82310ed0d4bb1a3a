import re
from pathlib import Path

from bibwatch.evaluate.judge import Judged, tally
from bibwatch.evaluate.manifest import LabelledPhoto
from bibwatch.evaluate.page import page
from bibwatch.match.decide import Match
from bibwatch.values import Box, Reading
from tests.support import draw_photo


def judged(file: str, bibs: str, *texts: str) -> Judged:
    readings = tuple(Reading(text, 0.9, Box(10, 20, 60, 40), 0.8, "test") for text in texts)
    photo = LabelledPhoto(file, frozenset(bibs.split()), frozenset(), "here")
    return Judged(photo, readings, {one.text: Match(one.text, 0.9, one) for one in readings}, frozenset(texts))


def test_only_photos_that_went_wrong_are_shown_with_boxes_and_texts(tmp_path: Path) -> None:
    draw_photo(tmp_path / "wrong.jpg", "2419", size=(640, 480))
    all_of_them = [judged("wrong.jpg", "2419", "2418"), judged("right.jpg", "17", "17")]
    html = page(all_of_them, tmp_path, tally(all_of_them))
    assert "wrong: 2418 (0.90)" in html
    assert "missed: 2419" in html
    assert '<rect x="10" y="20" width="50" height="20"/>' in html
    assert '<svg viewBox="0 0 640 480">' in html
    assert len(re.findall("data:image/jpeg;base64,", html)) == 1
    assert "right.jpg" not in html
    assert "precision 0.500, recall 0.500" in html


def test_names_and_texts_cannot_become_markup(tmp_path: Path) -> None:
    name = "<img onerror=alert(1)>.jpg"
    draw_photo(tmp_path / name, "2419")
    one = judged(name, "2419", "<script>9</script>")
    html = page([one], tmp_path, tally([one]))
    assert "<script" not in html
    assert "<img onerror" not in html


def test_a_photo_that_is_gone_is_named_all_the_same(tmp_path: Path) -> None:
    one = judged("gone.jpg", "2419")
    html = page([one], tmp_path, tally([one]))
    assert "gone.jpg" in html
    assert "No such file" in html
