"""Small pictures of photos, for people: upright, as the engines see them."""

from bibwatch.errors import PhotoError
from bibwatch.read.photo_file import decode_smaller, load
from bibwatch.values import Photo

QUALITY = 82  # of 100, as JPEG encoders count


def thumbnail(photo: Photo, side: int) -> bytes:
    """A JPEG file of the upright photo whose longer side has `side` pixels, or fewer where the photo has.

    Raises:
        PhotoError: the file changed, is gone, or is no picture that can be decoded.
        OSError: the disk or the share failed.
    """
    import cv2

    picture = decode_smaller(load(photo).data, side)
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    done, encoded = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise PhotoError("its small picture cannot be written")
    return encoded.tobytes()
