from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from bibwatch.service import rooms as module
from bibwatch.service.linking import NOTHING
from bibwatch.service.rooms import RETRY_LINKS_S, SWEEP_SHARE, Rooms

RESCAN_S = 60.0


class Bench:
    """Rooms with nothing in them but a comparison of links with the disk, and a clock that only that moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step_s: float, *, may_heal: bool) -> None:
        self.now, self.begun, self.step_s = 1000.0, 0, step_s
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: 0.0, monotonic=lambda: self.now))
        config = SimpleNamespace(photos=SimpleNamespace(rescan_s=RESCAN_S))
        self.rooms = Rooms(config, "engine:1", None, lambda: None)  # type: ignore[arg-type]
        self.rooms.turns = SimpleNamespace(changed_names=set(), tally=SimpleNamespace(read=0, reused=0))  # type: ignore[assignment]
        self.rooms.learning = SimpleNamespace(follow=lambda read, at_last: False)  # type: ignore[assignment]
        self.rooms.linking = SimpleNamespace(sweep=self._sweep, may_heal=may_heal, at_once=1)  # type: ignore[assignment]

    def _sweep(self) -> Iterator[object]:
        self.begun += 1
        for _ in range(3):
            self.now += self.step_s
            yield NOTHING

    def rest_s(self) -> float:
        """Let one comparison come to its end; seconds until the next one."""
        self.rooms.relink(self.now)
        while self.rooms.linking_on:
            self.now += 100.0  # other work, which does not count
            self.rooms.relink(self.now)
        ended, begun = self.now, self.begun
        while self.begun == begun:
            self.now += 0.5
            self.rooms.relink(self.now)
        return self.now - self.step_s - ended


@pytest.mark.parametrize(("said", "anew"), [(["a.jpg", "b.jpg"], 0), ([], 1)])
def test_after_a_persons_word_only_its_photos_follow_and_after_anything_else_all(
    monkeypatch: pytest.MonkeyPatch, said: list[str], anew: int
) -> None:
    rooms = Bench(monkeypatch, 0.1, may_heal=False).rooms
    rooms.store = SimpleNamespace(corrections=SimpleNamespace(take_names=lambda: said))  # type: ignore[assignment]
    begun: list[bool] = []
    monkeypatch.setattr(Rooms, "begin_anew", lambda self: begun.append(True))
    rooms.follow_others()
    assert (rooms.turns.changed_names, len(begun)) == (set(said), anew)


@pytest.mark.parametrize(
    ("step_s", "may_heal", "rest_s"),
    [
        (0.1, False, RESCAN_S),
        (0.1, True, RETRY_LINKS_S),
        (10.0, False, 30.0 * SWEEP_SHARE),
        (10.0, True, 30.0 * SWEEP_SHARE),
    ],
)
def test_a_comparison_of_all_links_rests_longer_than_it_took(
    monkeypatch: pytest.MonkeyPatch, step_s: float, may_heal: bool, rest_s: float
) -> None:
    assert Bench(monkeypatch, step_s, may_heal=may_heal).rest_s() == pytest.approx(rest_s, abs=1.0)
