"""When and by which camera a photo was taken, from its EXIF block."""

import io
from calendar import timegm
from math import isfinite
from time import strptime

from bibwatch.read.photo_file import STARTS
from bibwatch.values import Shot

EXIF, TAKEN, TAKEN_FRACTION = 0x8769, 0x9003, 0x9291  # the sub-block, DateTimeOriginal, SubSecTimeOriginal
SERIAL, MODEL = 0xA431, 0x0110


def shot_of(data: bytes) -> Shot | None:
    """The shot that made the JPEG or PNG file of these bytes; None where it does not say, or what it says is broken."""
    try:
        from PIL import Image as Pillow

        with Pillow.open(io.BytesIO(data), formats=tuple(STARTS.values())) as picture:
            plain = picture.getexif()
            exif = plain.get_ifd(EXIF)
        camera = _text(exif.get(SERIAL)) or _text(plain.get(MODEL))
        at = timegm(strptime(_text(exif.get(TAKEN)), "%Y:%m:%d %H:%M:%S")) + _fraction(_text(exif.get(TAKEN_FRACTION)))
    except Exception:  # forged blocks make it raise far more than it documents
        return None
    return Shot(camera, at) if camera and isfinite(at) else None


def _text(value: object) -> str:
    """What a tag holds, without the padding that cameras write."""
    return value.strip(" \0") if isinstance(value, str) else ""


def _fraction(digits: str) -> float:
    return float(f"0.{digits}") if digits.isascii() and digits.isdigit() else 0.0
