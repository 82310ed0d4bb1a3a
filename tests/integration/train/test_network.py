from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

torch = pytest.importorskip("torch")

from torchvision.models.detection import FasterRCNN_ResNet50_FPN_V2_Weights, fasterrcnn_resnet50_fpn_v2

from bibwatch.errors import TrainingError
from bibwatch.read.dossard.detector import network
from bibwatch.train.network import initial_network

CLASSES = "roi_heads.box_predictor.cls_score.weight"


def trained(model: Any) -> set[str]:
    """The parts of the backbone's body that a training changes."""
    return {name.split(".")[0] for name, value in model.backbone.body.named_parameters() if value.requires_grad}


def test_random_weights_are_trained_whole() -> None:
    assert trained(initial_network("none")) == {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"}


@pytest.mark.parametrize("classes", [2, 91])
def test_a_file_of_weights_is_begun_from_whatever_its_classes(tmp_path: Path, classes: int) -> None:
    theirs = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=classes).state_dict()
    torch.save(theirs, tmp_path / "begin.pt")
    model = initial_network(str(tmp_path / "begin.pt"))
    ours = model.state_dict()
    assert torch.equal(ours["backbone.body.conv1.weight"], theirs["backbone.body.conv1.weight"])
    assert ours[CLASSES].shape == (2, 1024)
    assert torch.equal(ours[CLASSES], theirs[CLASSES]) is (classes == 2)
    assert trained(model) == {"layer2", "layer3", "layer4"}


def test_weights_that_do_not_fit_or_are_not_there_are_an_error(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "other.pt")
    torch.save(network(), tmp_path / "pickled.pt")
    for name, part in (("other.pt", "expected a state_dict"), ("pickled.pt", "whole pickled"), ("none.pt", "neither")):
        with pytest.raises(TrainingError, match=part):
            initial_network(str(tmp_path / name))


def test_coco_weights_that_cannot_be_fetched_are_named_with_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object, **kwargs: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(FasterRCNN_ResNet50_FPN_V2_Weights, "get_state_dict", refused)
    with pytest.raises(TrainingError) as caught:
        initial_network("coco")
    for part in ("no route to host", "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth", "checkpoints", "--init none"):
        assert part in str(caught.value)
