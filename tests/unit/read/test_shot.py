import io
from pathlib import Path

import pytest
from PIL import Image

from bibwatch.read.shot import EXIF, MODEL, SERIAL, TAKEN, TAKEN_FRACTION, shot_of
from bibwatch.values import Shot


def jpeg(plain: dict[int, object], taken: dict[int, object]) -> bytes:
    exif = Image.Exif()
    exif.update(plain)
    exif.get_ifd(EXIF).update(taken)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif)
    return file.getvalue()


TIMES = {TAKEN: "2026:05:03 09:30:00", TAKEN_FRACTION: "25"}
AT = 1777800600.25


def test_the_camera_is_told_by_its_serial_number_and_the_time_with_its_fraction() -> None:
    assert shot_of(jpeg({MODEL: "EOS R5"}, TIMES | {SERIAL: "0430"})) == Shot("0430", AT)


def test_without_a_serial_number_the_model_tells_the_camera() -> None:
    assert shot_of(jpeg({MODEL: "EOS R5 \0"}, TIMES)) == Shot("EOS R5", AT)


def test_without_a_fraction_whole_seconds_count() -> None:
    assert shot_of(jpeg({MODEL: "EOS R5"}, {TAKEN: TIMES[TAKEN]})) == Shot("EOS R5", 1777800600.0)


@pytest.mark.parametrize(
    "data",
    [
        jpeg({}, TIMES),  # no camera
        jpeg({MODEL: "EOS R5"}, {}),  # no time
        jpeg({MODEL: "EOS R5"}, {TAKEN: "0000:00:00 00:00:00"}),
        jpeg({MODEL: "EOS R5"}, {TAKEN: "yesterday"}),
        b"no picture",
        b"",
        jpeg({MODEL: "EOS R5"}, TIMES)[:60],
    ],
)
def test_a_file_that_does_not_say_is_no_shot(data: bytes) -> None:
    assert shot_of(data) is None


def test_real_photos_tell_their_shots(shared: Path) -> None:
    data = (shared / "photos" / "gheinrich" / "0057-IMG_0080.JPG").read_bytes()
    shot = shot_of(data)
    assert shot is not None
    assert (shot.camera, round(shot.at % 60, 2)) == ("043021006474", 30.66)
