import os
import re
from pathlib import Path

import pytest

from bibwatch.mounts import inner, mounted, network_of, number_of, place_of, point_of, points_around
from tests.mounts import Mounts

LOCAL = b"""\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard
23 22 0:21 / /proc rw,nosuid shared:12 - proc proc rw
41 22 8:17 / /media/card rw,nosuid - vfat /dev/sdb1 rw,fmask=0022
"""
SHARES = (
    LOCAL
    + b"""\
50 22 0:45 / /srv/nfs rw,relatime shared:30 - nfs4 share:/race rw,vers=4.2
51 22 0:46 / /srv/win rw,relatime shared:31 master:2 propagate_from:3 - cifs //share/race rw,vers=3.1.1
52 22 0:47 / /srv/ssh rw,nosuid - fuse.sshfs photographer@share:/race rw,user_id=0
53 50 254:1 /var/x /srv/nfs/local rw,relatime shared:1 - ext4 /dev/vda1 rw
54 22 0:48 / /srv/my\\040photos\\011\\134\\303\\244 rw - nfs share:/more rw
55 22 0:49 / /srv/fuse rw - fuse.mergerfs disks rw
56 22 0:50 / /srv/auto rw - autofs systemd-1 rw,fd=33
"""
)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/nfs", "nfs4"),
        ("/srv/nfs/state/bibwatch.db", "nfs4"),
        ("/srv/win/bibwatch.db", "cifs"),
        ("/srv/ssh/bibwatch.db", "fuse.sshfs"),
        ("/srv/my photos\t\\ä/bibwatch.db", "nfs"),
        ("/srv/bibwatch.db", None),
        ("/srv/nfs2/bibwatch.db", None),
        ("/srv/nfs/local/bibwatch.db", None),
        ("/srv/nfs/local2/bibwatch.db", "nfs4"),
        ("/srv/fuse/bibwatch.db", None),
        ("/srv/auto/bibwatch.db", None),
        ("/media/card/bibwatch.db", None),
        ("/", None),
    ],
)
def test_a_path_on_a_network_share_is_known_by_the_nearest_mount_above_it(path: str, kind: str | None) -> None:
    assert network_of(Path(path), SHARES) == kind


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.rclone", "fuse.glusterfs"])
def test_kinds_that_other_machines_serve_are_known(kind: str) -> None:
    listed = LOCAL + f"60 22 0:60 / /srv/x rw - {kind} share rw\n".encode()
    assert network_of(Path("/srv/x/bibwatch.db"), listed) == kind


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "vfat", "exfat", "tmpfs", "overlay", "fuseblk"])
def test_kinds_that_lie_on_this_machine_are_no_network(kind: str) -> None:
    listed = LOCAL + f"60 22 0:60 / /srv/x rw - {kind} /dev/x rw\n".encode()
    assert network_of(Path("/srv/x/bibwatch.db"), listed) is None


def test_of_two_mounts_at_one_point_the_later_covers_the_earlier() -> None:
    share = b"60 22 0:60 / /srv/x rw - nfs4 share:/race rw\n"
    disk = b"61 60 8:33 / /srv/x rw - ext4 /dev/sdc1 rw\n"
    assert network_of(Path("/srv/x/bibwatch.db"), LOCAL + share + disk) is None
    assert network_of(Path("/srv/x/bibwatch.db"), LOCAL + disk + share) == "nfs4"


def test_a_share_at_the_root_holds_everything_that_is_not_mounted_apart() -> None:
    listed = LOCAL.replace(b"ext4 /dev/vda1", b"nfs share:/root")
    assert network_of(Path("/var/lib/bibwatch.db"), listed) == "nfs"
    assert network_of(Path("/media/card/bibwatch.db"), listed) is None


def test_the_mounts_around_a_folder_are_those_above_and_below_it_and_no_neighbours() -> None:
    def around(path: str) -> set[int]:
        return {int(line.split()[0]) for line in points_around(Path(path), SHARES)}

    assert around("/srv/nfs/local/a") == {22, 50, 53}
    assert around("/srv/nfs") == {22, 50, 53}
    assert around("/media") == around("/media/card/DCIM") == {22, 41}
    assert around("/media/card2") == around("/med") == {22}
    assert around("/srv") == {22, 50, 51, 52, 53, 54, 55, 56}


def test_another_disk_at_the_same_point_is_another_mount_around() -> None:
    other = LOCAL.replace(b"8:17", b"8:33")
    for path, differs in (("/media/card/DCIM", True), ("/media", True), ("/srv", False)):
        assert (points_around(Path(path), LOCAL) != points_around(Path(path), other)) is differs, path


def test_the_kernels_own_list_is_understood(tmp_path: Path) -> None:
    listed = mounted()
    assert points_around(tmp_path, listed) <= points_around(Path("/"), listed) == set(listed.splitlines())
    assert network_of(Path("/proc/self"), listed) is None


def test_folders_lie_in_places_of_their_own_and_a_link_in_the_place_of_its_end(tmp_path: Path) -> None:
    for name in ("a", "b", "a/blank name", os.fsdecode(b"bad\xff\n")):
        (tmp_path / name).mkdir()
        assert place_of(tmp_path / name) == inner(place_of(tmp_path), Path(name))
    (tmp_path / "link").symlink_to("a")
    assert place_of(tmp_path / "link") == place_of(tmp_path / "a") != place_of(tmp_path / "b")
    assert place_of(Path("/proc/self/fd")).startswith(place_of(Path("/proc")))
    assert place_of(Path("/tmp")) == inner(place_of(Path("/")), Path("tmp")) or os.path.ismount("/tmp")


def test_what_is_missing_or_no_folder_has_no_place(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    for name in ("gone", "a.jpg"):
        with pytest.raises(OSError, match=name):
            place_of(tmp_path / name)


def test_the_mount_point_of_a_disk_is_where_it_begins(tmp_path: Path) -> None:
    point = point_of(tmp_path)
    assert tmp_path.is_relative_to(point)
    assert os.path.ismount(point)
    assert point_of(Path("/proc/sys")) == Path("/proc")
    assert point_of(Path("/")) == Path("/")


def test_another_disk_or_a_folder_bound_from_elsewhere_lies_in_another_place(tmp_path: Path, mounts: Mounts) -> None:
    card, other, bound = tmp_path / "card", tmp_path / "other", tmp_path / "bound"
    for folder in (card, other, bound):
        folder.mkdir()
    bare, (bare_point, other_place) = place_of(card), (point_of(card), place_of(other))
    mounts.disk(card)
    first = place_of(card)
    assert point_of(card) == card
    mounts.show(card, bound)
    assert place_of(bound) == first  # the same disk, mounted anew
    mounts.let_go(card)
    assert (place_of(card), point_of(card)) == (bare, bare_point)
    mounts.disk(card)
    assert place_of(card) not in (bare, first)
    mounts.let_go(card)
    mounts.show(other, card)
    assert (place_of(card), point_of(card)) == (other_place, card)
    mounts.let_go(card)
    mounts.show(card, card)  # as a service manager does for a folder that it lets a service write to
    assert (place_of(card), point_of(card)) == (bare, bare_point)


def test_a_folder_has_a_number_where_its_file_system_keeps_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert number_of(tmp_path) == tmp_path.stat().st_ino
    for unnumbered in (b"vfat", b"exfat", b"cifs", b"nfs4", b"fuse.mergerfs"):
        with monkeypatch.context() as context:
            listed = re.sub(rb" - \S+ ", b" - %s " % unnumbered, mounted())
            context.setattr("bibwatch.mounts.mounted", lambda listed=listed: listed)
            assert number_of(tmp_path) == 0
