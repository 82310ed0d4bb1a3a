"""Open a photo without trusting it, and decode exactly the bytes that were hashed."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bibwatch.errors import PhotoChanged, PhotoError, PhotoIncomplete, PhotoUnreadable
from bibwatch.values import FileStamp, Photo

MAX_BYTES = 512 * 1024 * 1024
MAX_PIXELS = 200_000_000  # 100 MP cameras pass; a forged 30000 x 30000 header would cost gigabytes
UPRIGHT, ON_THEIR_SIDE = 1, range(5, 9)  # orientations in EXIF's words
REDUCED = 8  # times
STARTS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}

if TYPE_CHECKING:  # the service process needs no arrays
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]  # (H, W, 3) uint8 RGB


@dataclass(frozen=True, slots=True)
class PhotoBytes:
    """A photo's bytes, read once from one open file."""

    data: bytes
    content: bytes  # SHA-256 of `data`


@dataclass(frozen=True, slots=True)
class Encoded:
    """A JPEG file that looks whole, for whoever decodes faster than this module, and something to compare with."""

    data: bytes
    preview: Image  # upright, an eighth of its size: who decodes it otherwise has decoded it wrong
    width: int  # pixels of the upright picture
    height: int
    orientation: int  # 1..8, as EXIF has it


if TYPE_CHECKING:
    Picture = Image | Encoded


def size_of(picture: Picture) -> tuple[int, int]:
    """Height and width in pixels."""
    if isinstance(picture, Encoded):
        return picture.height, picture.width
    return picture.shape[0], picture.shape[1]


def decoded(picture: Picture) -> Image:
    """(H, W, 3) uint8 RGB, upright.

    Raises:
        PhotoUnreadable: it is damaged.
    """
    return decode(picture.data, last_look=True) if isinstance(picture, Encoded) else picture


def load(photo: Photo) -> PhotoBytes:
    """Read the file if it still is the version that was queued.

    Raises:
        PhotoChanged: it is another version, is gone, or is no regular file.
        PhotoUnreadable: it is empty or too large.
        OSError: the disk or the share failed.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(photo.path, flags)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PhotoChanged("the file is gone") from error
    try:
        data = _read_unchanged(fd, photo)
    finally:
        os.close(fd)
    return PhotoBytes(data, hashlib.sha256(data).digest())


def decode(data: bytes, *, last_look: bool) -> Image:
    """The upright picture in the bytes of a JPEG or PNG file.

    Without `last_look` a JPEG that has no end yet is refused, since its writer may only be slow; with it, what the
    decoder accepts is taken, because some tools never write the end marker.

    Returns:
        (H, W, 3) uint8 RGB, EXIF orientation applied.

    Raises:
        PhotoIncomplete: the picture has no end yet.
        PhotoUnreadable: not a JPEG or PNG, too many pixels, or damaged.
    """
    kind = _kind_of(data)
    if kind is None:
        raise _not_a_picture(data, last_look=last_look)
    if not last_look and not _has_end(kind, data):
        raise PhotoIncomplete(f"the {kind} picture ends early; somebody may still be writing it")
    _checked_size(kind, data)
    return _decoded(kind, data)


def encoded(data: bytes, *, last_look: bool) -> Picture:
    """The JPEG file of these bytes as it is, if it looks whole; else what `decode` makes of them, or raises."""
    if _kind_of(data) != "JPEG" or not _has_end("JPEG", data):
        return decode(data, last_look=last_look)
    stored = _checked_size("JPEG", data)
    preview = _decoded("JPEG", data, reduced=REDUCED)
    # What the decoder has turned counts: others read orientations from places where it does not look.
    turned = preview.shape[1::-1] != tuple(-(-side // REDUCED) for side in stored)
    width, height = stored[::-1] if turned else stored
    return Encoded(data, preview, width, height, _orientation_of(data))


def decode_smaller(data: bytes, side: int) -> Image:
    """The upright picture as `decode` makes it, as small as it comes cheaply with `side` pixels on its longer side.

    Raises:
        PhotoUnreadable: not a JPEG or PNG, too many pixels, or damaged.
    """
    longer, kind = max(upright_size(data)), _kind_of(data)
    assert kind is not None  # or it would have no size
    return _decoded(kind, data, reduced=next((times for times in (8, 4, 2) if longer >= times * side), 1))


def upright_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels of the upright picture, from the header of a JPEG or PNG file.

    Raises:
        PhotoUnreadable: not a JPEG or PNG, too many pixels, or a damaged header.
    """
    kind = _kind_of(data)
    if kind is None:
        raise _not_a_picture(data, last_look=True)
    width, height = _checked_size(kind, data)
    return (height, width) if _orientation_of(data) in ON_THEIR_SIDE else (width, height)


def _read_unchanged(fd: int, photo: Photo) -> bytes:
    before = os.fstat(fd)
    if not stat.S_ISREG(before.st_mode):
        raise PhotoChanged("it is no regular file")
    version = FileStamp.of(before).version
    if version != (photo.size, photo.mtime_ns):
        raise PhotoChanged("the file has changed since it was queued")
    if before.st_size == 0:
        raise PhotoUnreadable("the file is empty")
    if before.st_size > MAX_BYTES:
        raise PhotoUnreadable(f"the file is larger than {MAX_BYTES >> 20} MiB")
    with os.fdopen(fd, "rb", closefd=False) as file:
        data = file.read(MAX_BYTES)
    if FileStamp.of(os.fstat(fd)).version != version or len(data) != before.st_size:
        raise PhotoChanged("the file changed while it was read")
    return data


def _decoded(kind: str, data: bytes, *, reduced: int = 1) -> Image:
    """The upright picture, or one of 2, 4 or 8 times smaller sides, which takes down to a quarter of the time."""
    import cv2  # heavy, and wanted in the child processes only
    import numpy as np

    # These flags are named for grey pictures, and say the size alone where RGB is asked for.
    sizes = {
        1: 0,
        2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
        4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
        8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    }
    flags = cv2.IMREAD_COLOR_RGB | sizes[reduced]
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(error.err) from error
        raise PhotoUnreadable(f"the {kind} picture cannot be decoded: {error.err}") from error
    if image is None:
        raise PhotoUnreadable(f"the {kind} picture {_fault(kind, data)}")
    return image  # type: ignore[return-value]  # imdecode is typed as any array


def _not_a_picture(data: bytes, *, last_look: bool) -> PhotoError:
    if not last_look and not any(data[:64]):
        return PhotoIncomplete(
            "the file begins with zeros; somebody may have reserved its place and not written it yet"
        )
    return PhotoUnreadable("the file is neither a JPEG nor a PNG picture")


def _kind_of(data: bytes) -> str | None:
    return next((kind for start, kind in STARTS.items() if data.startswith(start)), None)


def _checked_size(kind: str, data: bytes) -> tuple[int, int]:
    """Width and height in pixels as stored.

    Raises:
        PhotoUnreadable: the header cannot be read, or promises a picture too large to decode.
    """
    from PIL import Image as Pillow

    Pillow.MAX_IMAGE_PIXELS = None  # our own limit and message stand in its place
    try:
        with Pillow.open(io.BytesIO(data), formats=tuple(STARTS.values())) as picture:
            width, height = picture.size
    except MemoryError:
        raise
    except Exception as error:  # forged headers make it raise far more than it documents
        raise PhotoUnreadable(f"the {kind} picture {_fault(kind, data)}") from error
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 1_000_000
        raise PhotoUnreadable(f"the picture claims {width} x {height} pixels, more than {limit} megapixels")
    return width, height


def _orientation_of(data: bytes) -> int:
    """How the picture is stored, 1 to 8, as EXIF has it; what cannot be understood is stored upright."""
    from PIL import ExifTags
    from PIL import Image as Pillow

    try:
        with Pillow.open(io.BytesIO(data)) as picture:
            orientation = picture.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # as the decoder does, a damaged EXIF block is passed over
        return UPRIGHT
    return orientation if isinstance(orientation, int) and orientation in range(1, 9) else UPRIGHT


def _fault(kind: str, data: bytes) -> str:
    return "is damaged" if _has_end(kind, data) else "ends early (cut off while it was copied?)"


def _has_end(kind: str, data: bytes) -> bool:
    """Whether the end marker follows the last picture data; markers cannot occur inside JPEG picture data."""
    if kind == "PNG":
        return b"IEND" in data[-64:]
    return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
