"""Where the model files lie, and the mark of the readings that they make."""

import hashlib
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from bibwatch.errors import EngineUnavailable
from bibwatch.values import Effort

DETECTOR, RECOGNISER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"  # in the package rapidocr
SMALL_DETECTOR = Path(__file__).with_name("detector_int8.onnx")  # made of the first one by bibwatch.train.quantise
SMALL_RECOGNISER = Path(__file__).with_name("recogniser_int8.onnx")  # likewise, with fewer characters
SPOTTER = Path(__file__).with_name("spotter.onnx")  # trained by `bibwatch train-spotter`; spotter.md is its card
SMALL_SPOTTER = Path(__file__).with_name("spotter_int8.onnx")  # the same, computing in bytes
# Raise it whenever this room makes other readings of the same photo than before.
REVISION = 6


@cache
def fingerprint(effort: Effort) -> str:
    """`ppocr:` and a mark of the model files, the library, the effort, and the revision of this room's own work.

    Readings of one mark are as good as each other; where they were made, on a processor or on a GPU, they differ by
    rounding and by what is read in bytes, and `balanced` by how much it looks at twice, which is no reason to read a
    race's photos again.

    Raises:
        EngineUnavailable: a model file or package is missing.
    """
    ours = (SMALL_DETECTOR, SMALL_RECOGNISER, SPOTTER, SMALL_SPOTTER)
    models = (detector(), recogniser(), *(_there(model, "bibwatch") for model in ours))
    mark = hashlib.sha256(f"{REVISION} {version('rapidocr')} {effort}".encode())
    for model in models:
        mark.update(hashlib.sha256(model.read_bytes()).digest())
    return f"ppocr:{mark.hexdigest()[:16]}"


def detector() -> Path:
    """The text detector, (N, 3, H, W) float32 BGR from -1 to 1 in, (N, 1, H, W) float32 out."""
    return _model(DETECTOR)


def recogniser() -> Path:
    """The line recogniser, (N, 3, 48, W) float32 BGR from -1 to 1 in, (N, W // 8, characters) float32 out."""
    return _model(RECOGNISER)


def _model(name: str) -> Path:
    """Where a file lies, without importing the library."""
    spec = find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise EngineUnavailable("engine ppocr needs the package rapidocr: pip install rapidocr")
    return _there(Path(spec.origin).parent / "models" / name, "rapidocr")


def _there(path: Path, package: str) -> Path:
    if not path.is_file():
        raise EngineUnavailable(f"{path}: the model file is missing; reinstall the package: pip install {package}")
    return path
