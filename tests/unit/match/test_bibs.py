import pytest

from bibwatch.match.bibs import bib_in


@pytest.mark.parametrize(("text", "bib"), [("2419", "2419"), (" 7 ", "7"), ("0042", "0042"), ("99999", "99999")])
def test_digits_alone_are_a_bib_and_keep_their_zeros(text: str, bib: str) -> None:
    assert bib_in(text) == bib


@pytest.mark.parametrize("text", ["", "M90005", "12:30", "123456", "2419.", "٤٢", "4²"])
def test_other_texts_are_none(text: str) -> None:
    assert bib_in(text) is None


def test_a_bib_asked_for_by_name_may_hold_letters() -> None:
    assert bib_in("56D", {"56D"}) == "56D"
    assert bib_in("56D") is None
