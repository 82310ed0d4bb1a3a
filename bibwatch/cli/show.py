"""What people see in the terminal: progress, outcomes, status."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bibwatch.errors import PhotoError
from bibwatch.match.decide import Rules, read_bibs
from bibwatch.values import count_of, shown

if TYPE_CHECKING:  # `status` answers in half a second because it imports none of this
    from bibwatch.link.apply import Applied
    from bibwatch.read.batch import Outcome
    from bibwatch.read.messages import Read
    from bibwatch.service.scan import Progress
    from bibwatch.service.status import Status

WATCH_S = 2.0  # between looks at the status
PLAIN_EVERY_S = 5.0  # between lines of progress where there is no terminal


def follow(steps: Iterable[Progress]) -> None:
    """Show how far a pass is until it ends: a bar with rate and time left on a terminal, else plain lines."""
    if sys.stderr.isatty():
        _follow_with_bar(steps)
    else:
        for line in _plain_lines(steps):
            print(line, file=sys.stderr, flush=True)


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how much of something is done, as told in counts of done and of all; silent without a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def outcome_as_json(path: Path, outcome: Outcome, rules: Rules) -> str:
    """One JSON object: the photo, its bibs, its error."""
    if isinstance(outcome, PhotoError):
        return json.dumps({"photo": str(path), "readings": [], "error": str(outcome)})
    return json.dumps({"photo": str(path), "readings": _bibs(outcome, rules), "error": None})


def outcome_as_text(path: Path, outcome: Outcome, rules: Rules) -> str:
    """One line: the photo, and its bibs with scores or its error."""
    if isinstance(outcome, PhotoError):
        return f"{shown(path)}: failed: {outcome}"
    bibs = ", ".join(f"{bib['bib']} ({bib['score']:.2f})" for bib in _bibs(outcome, rules))
    return f"{shown(path)}: {bibs or 'no bib'}"


def applied_as_json(applied: Applied) -> str:
    """One JSON object: what changed in the link tree."""
    plain = {
        "made": [str(path) for path in applied.made],
        "removed": [str(path) for path in applied.removed],
        "kept": applied.kept,
        "troubles": {str(path): reason for path, reason in applied.troubles.items()},
    }
    return json.dumps(plain)


def status_as_text(status: Status) -> str:
    """The status on a few lines."""
    return "\n".join(_status_lines(status))


def keep_showing(current: Callable[[], str]) -> None:
    """Show a text anew until Ctrl-C: in its place on a terminal, else each below the last."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with suppress(KeyboardInterrupt):
        if not sys.stdout.isatty():
            while True:
                print(current(), flush=True)
                time.sleep(WATCH_S)
        with Live(Text(current()), console=Console(), auto_refresh=False, screen=True) as live:
            while True:
                live.update(Text(current()), refresh=True)
                time.sleep(WATCH_S)


def _bibs(read: Read, rules: Rules) -> list[dict[str, Any]]:
    return [
        {
            "bib": match.bib,
            "score": round(match.probability, 4),
            "box": list(match.reading.box),
            "detection_score": round(match.reading.detection_score, 4),
        }
        for match in read_bibs(read.readings, rules).values()
    ]


def _status_lines(status: Status) -> Iterator[str]:
    health, queue = status.health, status.queue
    yield f"bibwatch is {status.state}" + (f" (process {health['pid']})" if health else "")
    for reason in status.degraded:
        yield f"  ! {reason}"
    if health:
        for folder in health["folders"]:
            yield f"folder    {folder['path']}" + (f": {folder['fault']}" if folder["fault"] else "")
        if health["page"]:
            yield f"page      {health['page']}"
        yield f"watches   {count_of(health['watches'], 'folder')}, sub-folders included"
    if queue:
        states = ", ".join(f"{queue[state]} {state}" for state in ("done", "failed", "waiting", "reading"))
        oldest = health.get("oldest_waiting_s")
        yield f"photos    {states}" + (f"; the first has waited {oldest:.0f} s" if oldest else "")
        yield f"          {status.inferences} contents read by an engine, {status.links} links"
    if health:
        workers = health["workers"]
        engine = health["engine"].partition(":")[0]
        place = f" ({engine} on {', '.join(workers['devices'])})" if workers["devices"] else ""
        ready = f"{workers['ready']} of {workers['wanted']} ready{place}, {workers['busy']} photos in hand"
        yield f"readers   {ready}, {workers['replaced']} replaced"
        yield f"rate      {health['photos_per_s']:.2f} photos/s in the last minute"
        yield from _event_lines(health)
        yield f"settling  {count_of(health['settling'], 'file')}"
        if health["last_error"]:
            yield f"error     {health['last_error']}"
    for photo in status.last_photos:
        yield f"last      {photo}"
    for failure in status.failed:
        yield f"failed    {failure['photo']}: {failure['reason']}"


def _event_lines(health: dict[str, Any]) -> Iterator[str]:
    yield f"bibs      {health['event']}"
    if health["suspects"]:
        numbers = ", ".join(health["suspects"])
        yield f"          on so many photos that they may be no bibs: {numbers}; if so: bibs: {{ignore: [{numbers}]}}"
    if health["start_list"]:
        yield f"runners   {health['start_list']}"


def _follow_with_bar(steps: Iterable[Progress]) -> None:
    from rich.console import Console  # a tenth of a second that `status` need not pay
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    rate = TextColumn("{task.fields[rate]}")
    left = TimeRemainingColumn(compact=True)
    with Bar(TextColumn("reading"), BarColumn(), MofNCompleteColumn(), rate, left, console=Console(stderr=True)) as bar:
        task = bar.add_task("reading", total=None, rate="loading the engine")
        for step in steps:
            bar.update(task, completed=step.ended, total=step.found or None, rate=_rate(step))


def _plain_lines(steps: Iterable[Progress]) -> Iterator[str]:
    spoken_at, last = time.monotonic(), None
    for step in steps:
        last = step
        if time.monotonic() - spoken_at >= PLAIN_EVERY_S:
            spoken_at = time.monotonic()
            yield f"{step.ended} of {step.found} photos, {_rate(step)}"
    if last is not None:
        yield f"{last.ended} of {last.found} photos, {_rate(last)}"


def _rate(step: Progress) -> str:
    return f"{step.ended / max(step.seconds, 0.001):.2f} photos/s"
