import random

from bibwatch.web.catalogue import NOTHING, OTHER, RUNNER, TARGET, Catalogue, Doubt, Entry, Wishes, mark_of
from bibwatch.web.follow import in_order

NOBODY = Wishes(None, {})


def entry(photo_id: int, *bibs: str, maybes: tuple[tuple[str, float], ...] = (), said: bool = False) -> Entry:
    return Entry(photo_id, f"/in/{photo_id:03}.jpg", 100.0 + photo_id, bibs, maybes, said)


def catalogue(*entries: Entry, wishes: Wishes = NOBODY) -> Catalogue:
    made = Catalogue(wishes)
    made.put(entries)
    return made


def ids(entries: list[Entry]) -> list[int]:
    return [one.photo_id for one in entries]


def doubts(made: Catalogue) -> list[int]:
    found: list[int] = []
    while (doubt := made.first_doubt(found)) is not None:
        found.append(doubt.photo_id)
    return found


def test_photos_are_found_by_bib_by_time_and_by_place() -> None:
    made = catalogue(entry(3, "7"), entry(1, "7", "8"), entry(2, maybes=(("7", 0.4),)))
    assert (ids(made.showing("7")), ids(made.maybe_showing("7")), made.count("8")) == ([1, 3], [2], 1)
    assert ids(made.newest(2)) == [3, 2]
    assert made.beside(2) == (1, 3)
    assert (made.beside(1), made.beside(3), made.beside(9)) == ((None, 2), (2, None), (None, None))
    assert made.bibs() == {"7": 2, "8": 1}


def test_a_photo_that_shows_something_else_now_is_nowhere_else_any_more() -> None:
    made = catalogue(entry(1, "7", maybes=(("9", 0.3),)), entry(2, "7"))
    version = made.version
    made.put([entry(1, "8", said=True)])
    assert (ids(made.showing("7")), ids(made.showing("8")), made.maybe_showing("9")) == ([2], [1], [])
    assert (doubts(made), made.version > version) == ([], True)
    made.drop([1, 1, 99])
    assert (made.bibs(), len(made), made.get(1)) == ({"7": 1}, 1, None)


def test_doubts_come_targets_first_then_runners_then_the_likelier_and_then_photos_without_a_bib() -> None:
    made = catalogue(
        entry(1),
        entry(2, maybes=(("30", 0.3),)),
        entry(3, maybes=(("30", 0.4), ("20A", 0.2))),
        entry(4, "1", maybes=(("10", 0.1),)),
        entry(5, "10"),
        entry(6, said=True),
        entry(7, maybes=(("30", 0.4),)),
        wishes=Wishes(frozenset({"10"}), {"20A": "Ann"}),
    )
    assert doubts(made) == [4, 3, 7, 2, 1]
    assert made.left() == {TARGET: 1, RUNNER: 1, OTHER: 2, NOTHING: 1}


def test_a_doubt_that_comes_later_and_is_wanted_more_comes_before_those_that_were_skipped() -> None:
    made = catalogue(entry(1), entry(2, maybes=(("7", 0.3),)), wishes=Wishes(frozenset({"9"}), {}))
    assert made.first_doubt([2]) == Doubt(NOTHING, 0.0, 1)
    made.put([entry(3, maybes=(("9", 0.2),))])
    assert made.first_doubt([2]) == made.doubt_of(3)
    assert made.first_doubt([1, 2, 3]) is None


def test_a_photo_is_told_from_what_it_was_when_somebody_looked() -> None:
    seen = mark_of(entry(1, "7"))
    assert seen == mark_of(entry(1, "7", maybes=(("9", 0.3),)))
    assert len({seen, mark_of(entry(1, "7", "8")), mark_of(entry(1, "7")._replace(ended_at=1.0))}) == 3


def test_whatever_comes_in_whatever_order_the_same_catalogue_is_made() -> None:
    chance = random.Random(1)
    for _ in range(30):
        made, last = Catalogue(NOBODY), {}
        for _ in range(60):
            photo_id = chance.randrange(1, 15)
            if chance.random() < 0.2:
                made.drop([photo_id])
                last.pop(photo_id, None)
                continue
            bibs = [str(chance.randrange(5)) for _ in range(chance.randrange(3))]
            maybes = tuple((str(5 + chance.randrange(5)), chance.random()) for _ in range(chance.randrange(2)))
            last[photo_id] = Entry(
                photo_id, f"/in/{photo_id}.jpg", chance.random(), tuple(dict.fromkeys(bibs)), maybes, bool(maybes)
            )
            made.put([last[photo_id]])
        anew = catalogue(*last.values())
        assert (made.bibs(), made.left(), doubts(made)) == (anew.bibs(), anew.left(), doubts(anew))
        assert ids(made.newest(99)) == ids(anew.newest(99))
        assert all(made.showing(bib) == anew.showing(bib) for bib in anew.bibs())


def test_bibs_stand_in_the_order_in_which_people_count() -> None:
    assert in_order(["A7", "100", "7", "042", "42", "2419"]) == ["7", "042", "42", "100", "2419", "A7"]
