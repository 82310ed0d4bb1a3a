"""What travels between a reading child and its parent.

For one photo: Fetch, Hashed, then Go or Drop, then Read or Refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bibwatch.errors import PhotoError
from bibwatch.values import Photo, Reading, Shot


@dataclass(frozen=True, slots=True)
class Fetch:
    """To the child: open, read and hash this photo, then ask what to do with it."""

    ticket: int  # names the photo's turn in this child
    photo: Photo
    last_look: bool  # take a picture without an end as it is


@dataclass(frozen=True, slots=True)
class Go:
    """To the child: decode and read the photo just hashed."""


@dataclass(frozen=True, slots=True)
class Drop:
    """To the child: the content of the photo just hashed is known; forget it."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """From the child: the engine stands."""

    batch: int  # photos it reads best at once
    device: str  # where it runs, for people
    lack: str | None  # why it does not run where it would run faster


@dataclass(frozen=True, slots=True)
class Ending:
    """From the child, its last word: why it can read nothing, or nothing more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hashed:
    """From the child: the photo's bytes are read and have this SHA-256."""

    ticket: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """From the child: what the engine saw."""

    ticket: int
    readings: tuple[Reading, ...]
    width: int  # pixels of the upright photo
    height: int
    stages: Mapping[str, float]  # where its time went, in seconds; of photos read together, the first one has it all
    shot: Shot | None

    @property
    def seconds(self) -> float:
        """All that the photo took, from its file to its readings."""
        return sum(self.stages.values())


@dataclass(frozen=True, slots=True)
class Refused:
    """From the child: the photo could not be read."""

    ticket: int
    error: PhotoError
