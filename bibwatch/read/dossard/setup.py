"""What the engine dossard is built from."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DossardSetup:
    """Its weights, its settings, and EasyOCR's files; picklable."""

    weights: Path
    detection_threshold: float  # 0..1
    image_size: int  # pixels of the padded square
    easyocr_models: Path | None  # folder; None: EasyOCR's own
    download: bool
    certain_score: float | None  # 0..1; None: all four looks at every dossard
