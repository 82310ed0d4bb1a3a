"""What can go wrong, as one family. Rooms raise; the service alone decides what an error costs."""

from collections.abc import Iterable


class BibwatchError(Exception):
    """The root of every error bibwatch raises on purpose; its text is the message for the person."""


class ConfigError(BibwatchError):
    """The config does not validate; `problems` holds every problem found, in the order of the file."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class StartListError(BibwatchError):
    """A file is no start list."""


class ExtraMissing(BibwatchError):
    """Packages that only some commands need are not installed."""


class TrainingError(BibwatchError):
    """A network cannot be trained on what was given."""


class CouldNotStart(BibwatchError):
    """The service cannot start although its config is valid: another one runs, or the database cannot be opened."""


class DatabaseDamaged(CouldNotStart):
    """The database's pages contradict each other, or it is no database at all."""


class DatabaseFault(BibwatchError):
    """The database cannot be read or written now: full or read-only disk, locked, damaged; it may come back."""


class DatabaseMissing(BibwatchError):
    """There is no database yet, because nothing was ever scanned with this config."""


class DatabaseUnreadable(BibwatchError):
    """There is a database, but this user or this machine cannot read it."""


class EngineUnavailable(BibwatchError):
    """The engine cannot be built here: a model file, a package or a device is missing."""


class EngineBroken(BibwatchError):
    """The engine can read nothing more in this process, as after an error of the GPU; a new process can."""


class PhotoError(BibwatchError):
    """A photo could not be read now; its subclasses say whether trying again can help."""


class PhotoUnreadable(PhotoError):
    """This content can never be read: it is no picture, is damaged, or is too large."""


class PhotoIncomplete(PhotoError):
    """The picture has no end yet, so somebody may still be writing it; worth another look later."""


class PhotoOutOfReach(PhotoError):
    """The disk or the share that holds the photo does not answer, or the GPU has no memory left; it may yet."""


class PhotoChanged(PhotoError):
    """The file is no longer the version that was queued: it changed, vanished or is no regular file any more."""
