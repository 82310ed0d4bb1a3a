"""Disks that a test mounts below its own folder, where this user may."""

import os
import subprocess
from pathlib import Path

import pytest


class Mounts:
    """Mounts in memory; all are let go of at the end, the last one first."""

    def __init__(self) -> None:
        self._points: list[Path] = []

    def disk(self, at: Path, options: str = "size=1m") -> Path:
        """A new and empty disk; skips the test where this user may mount none."""
        self._mount(at, "-t", "tmpfs", "-o", options, "tmpfs")
        return at

    def show(self, disk: Path, at: Path) -> None:
        """Mount a disk that lies elsewhere at this path too, as with a card that is put in."""
        self._mount(at, "--bind", str(disk))

    def remount(self, at: Path, options: str) -> None:
        """Change how it is mounted."""
        subprocess.run(["mount", "-o", f"remount,{options}", at], check=True)

    def let_go(self, at: Path) -> None:
        """Unmount what was mounted here last."""
        # Lazily: inotify may be about to look into it.
        subprocess.run(["umount", "-l", at], check=True)
        self._points.remove(at)

    def end(self) -> None:
        """Unmount everything."""
        for point in reversed(self._points):
            subprocess.run(["umount", "-l", point], check=False)

    def _mount(self, at: Path, *what: str) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root may mount")
        at.mkdir(parents=True, exist_ok=True)
        mounted = subprocess.run(["mount", *what, str(at)], check=False, capture_output=True, text=True)
        if mounted.returncode:
            pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
        self._points.append(at)
