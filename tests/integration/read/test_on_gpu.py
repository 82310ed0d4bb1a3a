"""The way through torch, on the processor, and on the GPU where there is one."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx2torch", reason="onnx2torch is not installed")
torch = pytest.importorskip("torch", reason="torch is not installed")

from bibwatch.errors import EngineUnavailable, PhotoUnreadable
from bibwatch.evaluate.manifest import read_manifest
from bibwatch.read import engine as engines
from bibwatch.read.engine import EngineSetup, fingerprint
from bibwatch.read.photo_file import Encoded, decode, encoded, size_of
from bibwatch.read.ppocr import gpu_pixels, on_gpu
from bibwatch.read.ppocr.engine import PpocrEngine
from bibwatch.read.ppocr.lines import SPOTTER_SIGHT, seen_size
from bibwatch.read.ppocr.networks import Steps
from bibwatch.read.ppocr.on_cpu import CpuNetworks
from bibwatch.read.ppocr.spots import spots
from bibwatch.values import Reading
from tests.support import draw_photo

EVERY = 40  # of the shared photos
ORIENTATIONS = range(1, 9)
PLACES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


@pytest.fixture(scope="module", params=PLACES)
def networks(request: pytest.FixtureRequest) -> on_gpu.GpuNetworks:
    return on_gpu.GpuNetworks(request.param)


@pytest.fixture(scope="module")
def reference() -> CpuNetworks:
    return CpuNetworks("thorough")


@pytest.fixture
def in_torch(networks: on_gpu.GpuNetworks) -> PpocrEngine:
    return PpocrEngine(networks, "thorough", "torch")


@pytest.fixture
def in_onnx(reference: CpuNetworks) -> PpocrEngine:
    return PpocrEngine(reference, "thorough", "onnx")


def likeliest(readings: Sequence[Reading]) -> dict[str, Reading]:
    return {reading.text: reading for reading in readings if reading.score > 0.9}


@pytest.mark.long
def test_both_ways_read_the_same(in_torch: PpocrEngine, in_onnx: PpocrEngine, shared: Path) -> None:
    photos = [shared / "photos" / photo.file for photo in read_manifest(shared / "photos" / "manifest.csv")[::EVERY]]
    pictures = [encoded(photo.read_bytes(), last_look=True) for photo in photos]
    together = list(in_torch.read(pictures))  # of several sizes
    compared = 0
    for one, other in zip(together, (next(in_onnx.read([picture])) for picture in pictures), strict=True):
        told, expected = likeliest(one), likeliest(other)
        assert told.keys() == expected.keys()
        for text, reading in told.items():
            assert tuple(reading.box) == pytest.approx(tuple(expected[text].box), abs=1)
            assert reading.score == pytest.approx(expected[text].score, abs=0.1)
            compared += 1
    assert compared > 5


def test_both_ways_spot_the_same_numbers(networks: on_gpu.GpuNetworks, reference: CpuNetworks, shared: Path) -> None:
    photos = [shared / "photos" / photo.file for photo in read_manifest(shared / "photos" / "manifest.csv")[::EVERY]]
    compared = 0
    for picture in (decode(photo.read_bytes(), last_look=True) for photo in photos):
        size = size_of(picture)
        at = seen_size(*size, SPOTTER_SIGHT)
        found, expected = (spots(way.spot(way.take([picture]), *at)[0], *size, 0.3) for way in (networks, reference))
        pixels = at[0] / size[0]  # of what the spotter sees, in one of the photo
        for one in expected:
            if one.detection_score < 0.35:
                continue  # it may be just below what is asked for, the other way
            assert min(np.abs(other.corners - one.corners).max() for other in found) * pixels < 1
            compared += 1
    assert compared > 30


@pytest.mark.parametrize("size", [(2600, 1700), (1200, 900), (400, 300)])
def test_pictures_are_shrunk_and_enlarged_and_seen_alike(
    size: tuple[int, int], networks: on_gpu.GpuNetworks, reference: CpuNetworks, tmp_path: Path
) -> None:
    picture = decode(draw_photo(tmp_path / "a.jpg", "2419", "3071", size=size).read_bytes(), last_look=True)
    heat, expected = (way.detect(way.take([picture]), 608, 800)[0].astype(int) for way in (networks, reference))
    assert (expected > 127).sum() > 1000
    assert np.abs(heat - expected).mean() < 0.5
    assert ((heat > 127) != (expected > 127)).sum() < 0.03 * (expected > 127).sum()


def stored(orientation: int) -> bytes:
    """A JPEG of coloured squares, none of them twice, that says it is stored so."""
    squares = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 13
    picture = Image.fromarray(np.kron(squares, np.ones((16, 16, 1), np.uint8)))
    exif = Image.Exif()
    exif[0x112] = orientation
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def files(*data: bytes) -> list[Encoded]:
    pictures = [encoded(one, last_look=True) for one in data]
    return [picture for picture in pictures if isinstance(picture, Encoded)]


def as_image(picture: torch.Tensor) -> np.ndarray:
    return picture.permute(1, 2, 0).cpu().numpy().astype(int)


@pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities:DeprecationWarning")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_jpegs_that_torchvision_decodes_are_upright(orientation: int, place: str) -> None:
    data = stored(orientation)
    [picture] = gpu_pixels.decoded_together(files(data), torch.device(place))
    assert picture is not None
    assert np.abs(as_image(picture) - decode(data, last_look=True)).max() <= 3


def written(path: Path, kind: str) -> bytes:
    """A drawn photo as a JPEG of this kind."""
    plain = draw_photo(path, "2419", "3071", size=(1200, 800)).read_bytes()
    if kind == "holed":
        middle = len(plain) // 2
        return plain[:middle] + bytes(2000) + plain[middle + 2000 :]
    file = io.BytesIO()
    mode = {"grey": "L", "inks": "CMYK"}.get(kind, "RGB")
    Image.open(path).convert(mode).save(file, "JPEG", quality=92, progressive=kind == "progressive")
    return file.getvalue()


@pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities:DeprecationWarning")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["plain", "progressive", "grey", "inks", "holed"])
def test_what_torchvision_decodes_is_what_opencv_decodes_or_is_not_taken(kind: str, place: str, tmp_path: Path) -> None:
    data = [written(tmp_path / "a.jpg", some) for some in ("plain", kind, "plain")]
    try:
        pictures = gpu_pixels.decoded_together(files(*data), torch.device(place))
    except RuntimeError:
        assert (kind, place) in {("inks", "cuda"), ("holed", "cuda")}  # then the processor decodes all three
        return
    assert [picture is not None for picture in pictures[::2]] == [True, True]
    for one, picture in zip(data, pictures, strict=True):
        assert picture is None or np.abs(as_image(picture) - decode(one, last_look=True)).mean() < 1


@pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities:DeprecationWarning")
def test_a_picture_that_came_out_unlike_its_preview_is_not_taken() -> None:
    one, other = files(stored(1)), files(stored(3))
    swapped = replace(one[0], preview=other[0].preview)
    assert [picture is None for picture in gpu_pixels.decoded_together([*one, swapped], torch.device("cpu"))] == [
        False,
        True,
    ]


def test_a_stripe_of_another_photo_in_a_picture_is_noticed(tmp_path: Path) -> None:
    photos = [draw_photo(tmp_path / f"{bib}.jpg", bib, size=(1200, 800)).read_bytes() for bib in ("2419", "3071")]
    [one], [other] = (files(photo) for photo in photos)
    picture, elsewhere = (torch.from_numpy(decode(photo, last_look=True)).permute(2, 0, 1) for photo in photos)
    assert gpu_pixels.is_like(picture, one.preview)
    torn = torch.cat([picture[:, :300], elsewhere[:, 300:]], dim=1)
    assert not gpu_pixels.is_like(torn, one.preview)
    assert not gpu_pixels.is_like(elsewhere, one.preview)
    assert other.preview.shape == one.preview.shape


def test_an_orientation_that_only_others_see_turns_nothing(in_torch: PpocrEngine, tmp_path: Path) -> None:
    """Pillow reads orientations from XMP too, OpenCV does not."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    xmp += b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    Image.open(draw_photo(tmp_path / "a.jpg", "2419", size=(800, 600))).save(tmp_path / "b.jpg", xmp=xmp, quality=92)
    [picture] = files((tmp_path / "b.jpg").read_bytes())
    assert (picture.width, picture.height, picture.orientation) == (800, 600, 6)
    assert [reading.text for reading in next(in_torch.read([picture]))] == ["2419"]


@pytest.mark.long
def test_hundreds_of_lines_go_through_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.full((4000, 3000, 3), 255, np.uint8)
    for row in range(40):
        for column in range(10):
            place = (20 + 300 * column, 80 + 98 * row)
            cv2.putText(picture, str(100 + 10 * row + column), place, cv2.FONT_HERSHEY_SIMPLEX, 2.0, (0, 0, 0), 5)
    asked: list[int] = []

    networks = CpuNetworks("thorough")
    [recogniser] = networks.recognisers
    read = recogniser.read

    def counted(lines: Sequence[np.ndarray], width: int, characters: np.ndarray) -> Steps:
        asked.append(len(lines))
        return read(lines, width, characters)

    monkeypatch.setattr(recogniser, "read", counted)
    [readings] = PpocrEngine(networks, "thorough", "onnx").read([picture])
    assert len(readings) > 200
    assert max(asked) <= CpuNetworks.lines < on_gpu.GpuNetworks.lines


def test_a_damaged_jpeg_is_the_photos_fault(in_torch: PpocrEngine) -> None:
    data = stored(1)
    start = data.index(b"\xff\xda")
    with pytest.raises(PhotoUnreadable, match="damaged"):
        list(in_torch.read(files(data[:start] + b"\xff\xff" * 8 + b"\xff\xd9")))


def test_a_network_that_came_out_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_gpu, "MIDDLE", 100.0)
    with pytest.raises(EngineUnavailable, match="is off by"):
        on_gpu.GpuNetworks("cpu")


@pytest.fixture
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # which the engine sets too
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("_no_gpu")
def test_auto_takes_the_processor_where_no_gpu_computes_and_says_why(tmp_path: Path) -> None:
    setup = EngineSetup("auto", threads=1)
    engine = engines.build(setup, fingerprint(setup))
    assert engine.device == "cpu"
    assert engine.lack is not None
    assert "sees no such GPU" in engine.lack
    data = draw_photo(tmp_path / "a.jpg", "2419", size=(800, 600)).read_bytes()
    assert [reading.text for reading in next(engine.read([decode(data, last_look=False)]))] == ["2419"]


def test_auto_takes_the_processor_whatever_the_gpu_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, model: object, kind: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(on_gpu, "torch_device", lambda device, threads: torch.device("cpu"))
    monkeypatch.setattr(on_gpu.GpuNetworks, "_network", full)
    setup = EngineSetup("auto", threads=1)
    engine = engines.build(setup, fingerprint(setup))
    assert engine.device == "cpu"
    assert engine.lack is not None
    assert "CUDA out of memory" in engine.lack


@pytest.mark.usefixtures("_no_gpu")
def test_a_gpu_asked_for_and_absent_is_an_error() -> None:
    setup = EngineSetup("cuda:1", threads=1)
    with pytest.raises(EngineUnavailable, match="sees no such GPU"):
        engines.build(setup, fingerprint(setup))
