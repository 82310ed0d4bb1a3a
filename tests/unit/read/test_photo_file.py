import os
from pathlib import Path

import pytest
from PIL import Image

from bibwatch.errors import PhotoChanged, PhotoIncomplete, PhotoUnreadable
from bibwatch.read.photo_file import Encoded, decode, decoded, encoded, load, size_of
from bibwatch.values import Photo
from tests.support import draw_photo


def version(path: Path) -> Photo:
    status = path.lstat()
    return Photo(path, status.st_size, status.st_mtime_ns)


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    return draw_photo(tmp_path / "a.jpg", "2419")


def forged_jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header claims this size."""
    header = b"\xff\xd8\xff\xc0\x00\x11\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return header + b"\x03\x01\x11\x00\x02\x11\x01\x03\x11\x01\xff\xda" + bytes(90_000) + b"\xff\xd9"


def test_the_same_bytes_are_hashed_and_kept(jpeg: Path) -> None:
    photo = load(version(jpeg))
    assert photo.data == jpeg.read_bytes()
    assert len(photo.content) == 32


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_picture_decodes_to_rgb(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"red{suffix}"
    Image.new("RGB", (40, 20), (250, 10, 10)).save(path)
    image = decode(path.read_bytes(), last_look=False)
    assert image.shape == (20, 40, 3)
    assert image[10, 10, 0] > 200
    assert image[10, 10, 2] < 60


def test_a_picture_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = 6  # the camera was held upright
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert decode((tmp_path / "a.jpg").read_bytes(), last_look=False).shape == (40, 20, 3)


@pytest.mark.parametrize(("orientation", "size"), [(1, (20, 40)), (3, (20, 40)), (6, (40, 20)), (9, (20, 40))])
def test_a_jpeg_may_stay_encoded_until_the_engine_wants_it(
    tmp_path: Path, orientation: int, size: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    data = (tmp_path / "a.jpg").read_bytes()
    picture = encoded(data, last_look=False)
    assert isinstance(picture, Encoded)
    assert picture.data == data
    assert size_of(picture) == decoded(picture).shape[:2] == size


def test_only_a_jpeg_that_looks_whole_stays_encoded(tmp_path: Path, jpeg: Path) -> None:
    Image.new("RGB", (40, 20)).save(tmp_path / "a.png")
    picture = encoded((tmp_path / "a.png").read_bytes(), last_look=False)
    assert not isinstance(picture, Encoded)
    assert size_of(picture) == (20, 40)
    with pytest.raises(PhotoIncomplete, match="ends early"):
        encoded(jpeg.read_bytes()[:-400], last_look=False)
    with pytest.raises(PhotoUnreadable, match="30000 x 30000"):
        encoded(forged_jpeg(30_000, 30_000), last_look=False)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_a_cut_jpeg_is_waited_for_and_then_refused(jpeg: Path, share: float) -> None:
    data = jpeg.read_bytes()
    cut = data[: int(len(data) * share)]
    with pytest.raises(PhotoIncomplete, match="ends early"):
        decode(cut, last_look=False)
    with pytest.raises(PhotoUnreadable, match="ends early"):
        decode(cut, last_look=True)


def test_a_jpeg_whose_rest_is_reserved_but_not_written_is_waited_for(jpeg: Path) -> None:
    data = jpeg.read_bytes()
    with pytest.raises(PhotoIncomplete):
        decode(data[: len(data) // 2] + bytes(len(data) // 2), last_look=False)


def test_a_file_whose_place_is_only_reserved_is_waited_for() -> None:
    with pytest.raises(PhotoIncomplete, match="zeros"):
        decode(bytes(10_000), last_look=False)
    with pytest.raises(PhotoUnreadable):
        decode(bytes(10_000), last_look=True)


def test_the_end_of_a_preview_in_the_header_is_not_the_end_of_the_picture(jpeg: Path) -> None:
    preview = b"\xff\xe1\x00\x0c" + b"\xff\xda....\xff\xd9"
    data = jpeg.read_bytes()
    cut = data[:2] + preview + data[2 : len(data) // 2]
    with pytest.raises(PhotoIncomplete):
        decode(cut, last_look=False)


def test_a_cut_png_is_waited_for(tmp_path: Path) -> None:
    data = draw_photo(tmp_path / "a.png", "7").read_bytes()
    with pytest.raises(PhotoIncomplete):
        decode(data[:-40], last_look=False)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"just some text", "neither a JPEG nor a PNG"),
        (b"\xff\xd8\xff\xd9", "JPEG picture is damaged"),
        (b"GIF89a" + bytes(100), "neither a JPEG nor a PNG"),
        (forged_jpeg(30_000, 30_000), "claims 30000 x 30000 pixels"),
        (forged_jpeg(100, 100), "is damaged"),
    ],
)
def test_what_is_no_bearable_picture_is_refused_for_good(data: bytes, reason: str) -> None:
    with pytest.raises(PhotoUnreadable, match=reason):
        decode(data, last_look=False)


def test_an_empty_file_is_refused_for_good(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(PhotoUnreadable, match="empty"):
        load(version(tmp_path / "a.jpg"))


def test_a_file_that_changed_or_went_is_not_read(jpeg: Path) -> None:
    photo = version(jpeg)
    os.utime(jpeg, ns=(1, 1))
    with pytest.raises(PhotoChanged, match="changed"):
        load(photo)
    jpeg.unlink()
    with pytest.raises(PhotoChanged, match="gone"):
        load(photo)


def test_a_fifo_a_folder_and_a_link_are_not_opened(tmp_path: Path, jpeg: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to(jpeg)
    for name in ("fifo.jpg", "folder.jpg"):
        with pytest.raises(PhotoChanged, match="no regular file"):
            load(version(tmp_path / name))
    with pytest.raises(OSError, match="symbolic links"):
        load(version(tmp_path / "link.jpg"))
