import asyncio
import sqlite3
import threading
from collections.abc import Callable

import pytest

from bibwatch.errors import DatabaseFault, DatabaseMissing
from bibwatch.web import clerk as module
from bibwatch.web.clerk import Clerk, TooBusy


class Desk:
    """One that notes its thread, and whether it was let go."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.is_closed = False

    def close(self) -> None:
        assert threading.get_ident() == self.thread
        self.is_closed = True


def ask(*questions: Callable[[Desk], object], opened: list[Desk]) -> list[object]:
    """What comes of the questions, one after the other; errors too."""

    def open_desk() -> Desk:
        opened.append(Desk())
        return opened[-1]

    async def all_of_them() -> list[object]:
        clerk = Clerk(open_desk, "clerk")  # type: ignore[arg-type]
        answers = [(await asyncio.gather(clerk.ask(one), return_exceptions=True))[0] for one in questions]  # type: ignore[arg-type]
        clerk.close()
        return answers

    return asyncio.run(all_of_them())


def fail(desk: Desk) -> None:
    raise sqlite3.OperationalError("disk I/O error")


def test_all_questions_are_answered_at_one_desk_in_one_thread_that_is_let_go_at_the_end() -> None:
    opened: list[Desk] = []
    first, second = ask(lambda desk: desk, lambda desk: (desk, threading.get_ident()), opened=opened)
    assert second == (first, opened[0].thread)
    assert threading.get_ident() != opened[0].thread
    assert (len(opened), opened[0].is_closed) == (1, True)


def test_after_the_database_failed_another_desk_is_opened() -> None:
    opened: list[Desk] = []
    failed, answered = ask(fail, lambda desk: 7, opened=opened)
    assert isinstance(failed, DatabaseFault)
    assert (answered, [desk.is_closed for desk in opened]) == (7, [True, True])


def test_where_there_is_no_database_yet_it_is_looked_for_again() -> None:
    tries = []

    def open_desk() -> Desk:
        tries.append(1)
        if len(tries) == 1:
            raise DatabaseMissing("no database yet")
        return Desk()

    async def twice() -> int:
        clerk = Clerk(open_desk, "clerk")  # type: ignore[arg-type]
        with pytest.raises(DatabaseMissing):
            await clerk.ask(lambda desk: 7)
        answer = await clerk.ask(lambda desk: 7)
        clerk.close()
        return answer

    assert asyncio.run(twice()) == 7


def test_more_questions_than_can_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)

    async def too_many() -> list[object]:
        clerk = Clerk(Desk, "clerk")  # type: ignore[arg-type]
        held = threading.Event()
        waiting = [asyncio.create_task(clerk.ask(lambda desk: held.wait(10))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TooBusy):
            await clerk.ask(lambda desk: 7)
        held.set()
        answers = await asyncio.gather(*waiting)
        clerk.close()
        return list(answers)

    assert asyncio.run(too_many()) == [True, True]
