"""What counts as out of sight, and what as deleted. Pure.

A known photo that is not to be seen counts as deleted only where one could see it if it were there: in the place where
it was seen last.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from bibwatch.mounts import inner
from bibwatch.values import Sighting, shown
from bibwatch.watch.changes import Place, Walked

Missing = dict[Path, dict[str, Place | None]]  # folder -> known photo -> where it was seen last


def is_gone(sighting: Sighting, place: Place | None, *, told: bool) -> bool:
    """Whether a known photo that is missing in this place is deleted; `told` where an event said so.

    Of one that may be anywhere only an event can tell.
    """
    return place is not None and (sighting.place == place or (told and sighting.place is None))


def out_of_sight(walked: Walked, missing: Missing) -> Missing:
    """Those of the missing photos that may be somewhere else, as a walk through a whole watched folder shows."""
    if walked.top not in walked.folders:
        return missing
    away = Missing()
    for folder, names in missing.items():
        now = _place_now(folder, walked.folders)
        if elsewhere := {name: place for name, place in names.items() if place is None or place != now}:
            away[folder] = elsewhere
    return away


def without(missing: Missing, away: Missing) -> Missing:
    """The missing photos that are not away."""
    here = Missing()
    for folder, names in missing.items():
        if left := {name: place for name, place in names.items() if name not in away.get(folder, {})}:
            here[folder] = left
    return here


def absence(walked: Walked, photos: int, away: Missing) -> tuple[Path, str]:
    """The folder to name, and why photos known in it are out of sight, after a walk that saw so many photos."""
    folder = Path(os.path.commonpath(list(away)))
    if walked.top not in walked.folders:
        folder, state = walked.top, "it is missing"
    elif photos == 0:
        folder, state = walked.top, "it was found empty"
    elif any(None in names.values() for names in away.values()):
        state = "nothing tells what became of its missing photos"
    else:
        state = "another disk or folder stands at its path now"
    return folder, (
        f"{state}, so the links of {sum(map(len, away.values()))} photos known in it are kept; bring them back, or let "
        f"them go with `bibwatch forget {shown(folder)}`"
    )


def _place_now(folder: Path, walked: Mapping[Path, Place | None]) -> Place | None:
    """Where a folder lies, or would lie if it were there."""
    standing = next(above for above in (folder, *folder.parents) if above in walked)
    place = walked[standing]
    return None if place is None else inner(place, folder.relative_to(standing))
