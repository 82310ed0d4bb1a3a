"""Small stand-ins for model files of hundreds of megabytes that nobody may fetch here: right shapes, chosen answers."""

import math
from pathlib import Path

import pytest
import torch
from easyocr import easyocr
from easyocr.craft import CRAFT
from easyocr.model.vgg_model import Model

from bibwatch.read.dossard.detector import network
from bibwatch.read.dossard.models import DETECTION, RECOGNITION

CHARACTERS = easyocr.recognition_models["gen2"]["english_g2"]["characters"]


def whole_picture_weights(path: Path, score: float = 0.9) -> Path:
    """Weights of a detector that finds one dossard in every picture: all of it, with this score."""
    state = network().state_dict()
    for layer in ("roi_heads.box_predictor.cls_score", "roi_heads.box_predictor.bbox_pred", "rpn.head.bbox_pred"):
        state[f"{layer}.weight"].zero_()
        state[f"{layer}.bias"].zero_()
    state["roi_heads.box_predictor.cls_score.bias"][1] = math.log(score / (1 - score))
    # Every proposal, and every box made of one, grows as far as torchvision lets it: beyond the whole picture, so that
    # one is left of them all.
    for layer in ("roi_heads.box_predictor.bbox_pred", "rpn.head.bbox_pred"):
        state[f"{layer}.bias"].reshape(-1, 4)[:, 2:] = 1000.0
    torch.save(state, path)
    return path


def easyocr_models(folder: Path, text: str = "7") -> Path:
    """EasyOCR's files in a folder: text is found everywhere, and it is always this one character."""
    folder.mkdir(parents=True, exist_ok=True)
    craft = CRAFT().state_dict()
    craft["conv_cls.8.weight"].zero_()
    craft["conv_cls.8.bias"][:] = torch.tensor([0.9, 0.0])
    recogniser = Model(input_channel=1, output_channel=256, hidden_size=256, num_class=len(CHARACTERS) + 1).state_dict()
    recogniser["Prediction.weight"].zero_()
    recogniser["Prediction.bias"].zero_()
    recogniser["Prediction.bias"][1 + CHARACTERS.index(text)] = 20.0
    for name, state in ((DETECTION, craft), (RECOGNITION, recogniser)):
        torch.save({f"module.{key}": value for key, value in state.items()}, folder / name)
    return folder


def set_checksums_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let EasyOCR take our files for its own."""
    known = {
        DETECTION: easyocr.detection_models["craft"]["md5sum"],
        RECOGNITION: easyocr.recognition_models["gen2"]["english_g2"]["md5sum"],
    }
    monkeypatch.setattr(easyocr, "calculate_md5", lambda path: known[Path(path).name])
