"""The engine on real torchvision and real EasyOCR code, with weights that the tests make."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("easyocr")

from bibwatch.errors import EngineBroken, EngineUnavailable, PhotoOutOfReach
from bibwatch.read import engine
from bibwatch.read.dossard import models
from bibwatch.read.dossard.engine import DossardEngine, fingerprint
from bibwatch.read.dossard.setup import DossardSetup
from bibwatch.read.engine import EngineSetup
from bibwatch.read.gpu import visible_gpu
from bibwatch.values import Box, Reading
from tests.models import easyocr_models, set_checksums_aside, whole_picture_weights

PHOTO = np.random.default_rng(1).integers(0, 255, (60, 101, 3), np.uint8)


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> DossardSetup:
    folder = tmp_path_factory.mktemp("models")
    weights = whole_picture_weights(folder / "mine.pt")
    return DossardSetup(weights, 0.2, 64, easyocr_models(folder / "easyocr"), download=False, certain_score=None)


@pytest.fixture(scope="module")
def dossard(setup: DossardSetup) -> DossardEngine:
    with pytest.MonkeyPatch.context() as patch:
        set_checksums_aside(patch)
        return DossardEngine(setup, "cpu", threads=2)


def test_a_number_is_read_where_the_dossard_is(dossard: DossardEngine, setup: DossardSetup) -> None:
    [[reading]] = dossard.read([PHOTO])
    assert isinstance(reading, Reading)
    assert reading.text == "7"
    assert reading.score > 0.99
    assert reading.detection_score == pytest.approx(0.9, abs=1e-4)
    assert reading.box == Box(0, 0, 101, 60)  # of the photo
    assert reading.square_box == Box(0, 0, 64, 64)  # with the padding
    assert reading.engine == dossard.name == fingerprint(setup)
    assert (dossard.device, dossard.batch) == ("cpu", 1)


def test_a_threshold_above_the_score_leaves_no_dossard(dossard: DossardEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dossard._detector, "_threshold", 0.95)
    assert list(dossard.read([PHOTO, PHOTO])) == [(), ()]


def test_the_fingerprint_follows_what_readings_depend_on(setup: DossardSetup, tmp_path: Path) -> None:
    same = replace(setup, easyocr_models=None, download=True)
    others = [replace(setup, detection_threshold=0.3), replace(setup, image_size=65), replace(setup, certain_score=0.9)]
    copied = tmp_path / "copied.pt"
    copied.write_bytes(setup.weights.read_bytes())
    assert fingerprint(same) == fingerprint(replace(setup, weights=copied)) == fingerprint(setup)
    copied.write_bytes(b"other weights")
    others.append(replace(setup, weights=copied))
    assert len({fingerprint(one) for one in (setup, *others)}) == 5
    with pytest.raises(EngineUnavailable, match="cannot be read"):
        fingerprint(replace(setup, weights=tmp_path / "none.pt"))


def test_weights_that_changed_since_the_fingerprint_are_not_used(
    setup: DossardSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_checksums_aside(monkeypatch)
    with pytest.raises(EngineUnavailable, match="have changed"):
        engine.build(EngineSetup("cpu", 2, dossard=setup), "dossard:0123")


def test_a_gpu_that_is_not_there_is_an_error_and_no_silent_cpu(
    setup: DossardSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")  # not to be changed for the tests after this one
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for device in ("cuda", "cuda:1"):
        with pytest.raises(EngineUnavailable, match=f"device {device} was asked for, but torch .* sees no such GPU"):
            DossardEngine(setup, device, threads=2)


@pytest.mark.parametrize(
    ("visible", "index", "expected"),
    [(None, 0, "0"), (None, 1, "1"), ("", 0, ""), ("2", 0, "2"), ("2", 1, ""), ("3, 5", 1, "5"), ("-1", 0, "-1")],
)
def test_gpus_that_were_hidden_stay_hidden(visible: str | None, index: int, expected: str) -> None:
    assert visible_gpu(visible, index) == expected


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), PhotoOutOfReach),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), EngineBroken),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), EngineBroken),
        (RuntimeError("shape '[2]' is invalid for input of size 3"), RuntimeError),
    ],
)
def test_only_errors_of_the_gpu_break_the_engine(
    dossard: DossardEngine, monkeypatch: pytest.MonkeyPatch, raised: Exception, expected: type[Exception]
) -> None:
    def fail(pictures: object) -> None:
        raise raised

    monkeypatch.setattr(dossard._detector, "detect", fail)
    with pytest.raises(expected) as caught:
        list(dossard.read([PHOTO]))
    assert caught.type is expected


def test_a_gpu_that_does_not_compute_is_known_before_any_photo(
    dossard: DossardEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    dossard._try_out()

    def fail(pictures: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.setattr(dossard._detector, "detect", fail)
    with pytest.raises(EngineUnavailable, match="is there, but does not compute; .*: CUDA error: no kernel image"):
        dossard._try_out()


def test_missing_models_are_named_at_once_with_their_folder(setup: DossardSetup, tmp_path: Path) -> None:
    lacking = replace(setup, easyocr_models=tmp_path)
    said = engine.missing_files(EngineSetup("cpu", 2, dossard=lacking))
    for part in (models.DETECTION, models.RECOGNITION, str(tmp_path), "easyocr_models"):
        assert part in str(said)
    with pytest.raises(EngineUnavailable, match="are not in"):
        models.easyocr_reader(tmp_path, "cpu", download=False)
    assert engine.missing_files(EngineSetup("cpu", 2, dossard=setup)) is None


def test_models_that_cannot_be_fetched_are_named_without_hanging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*args: object, **kwargs: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("easyocr.utils.download_and_unzip", refused)
    with pytest.raises(EngineUnavailable, match="cannot be fetched: Name or service not known.*EasyOCR"):
        models.easyocr_reader(tmp_path, "cpu", download=True)
    assert list(tmp_path.iterdir()) == []


def test_models_are_fetched_once_and_whole(
    setup: DossardSetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert setup.easyocr_models is not None
    fetched: list[str] = []

    def from_next_door(url: str, name: str, folder: str, verbose: bool) -> None:
        fetched.append(name)
        (Path(folder) / name).write_bytes((setup.easyocr_models or tmp_path).joinpath(name).read_bytes())

    monkeypatch.setattr("easyocr.utils.download_and_unzip", from_next_door)
    with pytest.raises(EngineUnavailable, match="was fetched, but is damaged"):
        models.easyocr_reader(tmp_path, "cpu", download=True)
    assert list(tmp_path.iterdir()) == []
    fetched.clear()
    set_checksums_aside(monkeypatch)
    for _ in range(2):
        models.easyocr_reader(tmp_path, "cpu", download=True)
    assert sorted(fetched) == [models.DETECTION, models.RECOGNITION]


def test_a_model_file_of_other_content_is_refused_and_left_alone(setup: DossardSetup) -> None:
    assert setup.easyocr_models is not None
    begun = time.monotonic()
    with pytest.raises(EngineUnavailable, match=r"damaged.*MD5 mismatch"):
        models.easyocr_reader(setup.easyocr_models, "cpu", download=True)
    assert time.monotonic() - begun < 30
    assert models.missing_models(setup.easyocr_models) == []
