"""Which names are photos, and which folders are looked into."""

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

# Where network storage, macOS, Windows and file systems keep thumbnails, trash and finds of their own.
FOREIGN_FOLDERS = frozenset({"@eaDir", "__MACOSX", "lost+found", "System Volume Information", "$RECYCLE.BIN"})


@dataclass(frozen=True, slots=True)
class PhotoNames:
    """The filter on names. `ignore` holds glob patterns, matched against a file's or a folder's own name."""

    extensions: frozenset[str]  # lower case, with the dot
    ignore: tuple[str, ...] = ()

    def is_photo(self, name: str) -> bool:
        """Whether a file of this name is a photo.

        Hidden names are what rsync, ProFTPD, Syncthing and macOS use while they copy; other tools append a suffix
        (.part, .filepart, .tmp, .crdownload), which is no photo extension.
        """
        extension = name[name.rfind(".") :].lower() if "." in name else ""
        return extension in self.extensions and not name.startswith(".") and not self._ignored(name)

    def is_watched(self, folder: str) -> bool:
        """Whether a sub-folder of this name is looked into."""
        return not folder.startswith(".") and folder not in FOREIGN_FOLDERS and not self._ignored(folder)

    def _ignored(self, name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in self.ignore)


@dataclass(frozen=True, slots=True)
class WatchedFolder:
    """A folder to watch."""

    path: Path  # absolute
    recursive: bool
    poll_s: float | None  # seconds between scans instead of inotify, for shares that send no events

    def covers_folder(self, folder: Path, names: PhotoNames) -> bool:
        """Whether a sub-folder, at any depth, is looked into."""
        if not (self.recursive and folder.is_relative_to(self.path)):
            return False
        return all(names.is_watched(part) for part in folder.relative_to(self.path).parts)

    def covers_photo(self, path: Path, names: PhotoNames) -> bool:
        """Whether a file is a photo of this folder."""
        inside = path.parent == self.path or self.covers_folder(path.parent, names)
        return inside and names.is_photo(path.name)
