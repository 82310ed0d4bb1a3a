"""The network that a training begins with."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import torch
from torchvision.models.detection import FasterRCNN, FasterRCNN_ResNet50_FPN_V2_Weights

from bibwatch.errors import EngineUnavailable, TrainingError
from bibwatch.read.dossard.detector import load_weights, network, read_state
from bibwatch.read.dossard.models import bounded_silence

PREDICTOR = "roi_heads.box_predictor."
TRAINED_LAYERS = ("layer2", "layer3", "layer4")  # of the backbone, where it begins with weights, as in torchvision


def initial_network(init: str, **limits: int) -> FasterRCNN:
    """A two-class network: from torchvision's COCO weights (`coco`), random (`none`), or from a file of weights.

    A file may be a person's own weights, or the COCO ones, whose predictor for 91 classes is left out.

    Raises:
        TrainingError: the weights cannot be had, or do not fit.
    """
    model = network(**limits)
    if init == "none":
        return model
    state = _coco_weights() if init == "coco" else _weights_in(Path(init))
    fresh = model.state_dict()
    classes = f"{PREDICTOR}cls_score.weight"
    if classes in state and len(state[classes]) != len(fresh[classes]):
        state |= {key: value for key, value in fresh.items() if key.startswith(PREDICTOR)}
    try:
        load_weights(model, Path(init), state)
    except EngineUnavailable as error:
        raise TrainingError(str(error)) from error
    for name, parameter in model.backbone.body.named_parameters():
        parameter.requires_grad_(name.startswith(TRAINED_LAYERS))
    return model


def _weights_in(path: Path) -> dict[str, torch.Tensor]:
    try:
        return dict(read_state(path, path.read_bytes()))
    except OSError as error:
        raise TrainingError(f"--init {path}: neither coco, none nor a file of weights: {error.strerror}") from error
    except EngineUnavailable as error:
        raise TrainingError(str(error)) from error


def _coco_weights() -> dict[str, torch.Tensor]:
    weights = FasterRCNN_ResNet50_FPN_V2_Weights.DEFAULT
    try:
        with bounded_silence():
            return dict(weights.get_state_dict(progress=True, check_hash=True))
    except (URLError, OSError, RuntimeError) as error:
        name, folder = Path(weights.url).name, Path(torch.hub.get_dir(), "checkpoints")
        raise TrainingError(
            f"the COCO weights cannot be fetched: {error}; put {name} into {folder}, name a file with --init FILE, "
            "or begin with random weights: --init none"
        ) from error
