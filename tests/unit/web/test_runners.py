from bibwatch.web.runners import Runners, folded

RUNNERS = Runners({"17": "Zoë Müller", "7": "Ann-Marie Lee", "12": "Lee Ann", "99": ""})


def test_names_are_found_by_their_words_in_any_order_and_whatever_the_accents() -> None:
    assert RUNNERS.named("muller ZOE", 9) == ["17"]
    assert RUNNERS.named("lee ann", 9) == ["7", "12"]
    assert RUNNERS.named("le", 1) == ["7"]
    assert RUNNERS.named("bob", 9) == RUNNERS.named("  ", 9) == []


def test_letters_are_told_without_what_stands_on_them() -> None:
    assert folded("ÅSA Šimek ß") == "asa simek ss"
