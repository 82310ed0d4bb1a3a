"""Trainings of the spotter on drawn photos, small enough for two cores."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra train is not installed")
pytest.importorskip("onnxscript", reason="the extra train is not installed")

import onnxruntime
from PIL import Image

from bibwatch.draw import bib_numbers, draw_event
from bibwatch.errors import BibwatchError, TrainingError
from bibwatch.read.ppocr.lines import Cut
from bibwatch.read.ppocr.spots import Maps, spots
from bibwatch.train.spotter.recipe import Recipe
from bibwatch.train.spotter.run import Outputs, Run, Wish
from bibwatch.train.spotter.training import Training

pytestmark = pytest.mark.long  # the teacher alone takes ten seconds
SIZE = (640, 480)
FAINT = 0.15  # of the heat: what has learned this little is sure of nothing
LEARNED = Recipe(views=1200, batch=8, size=160, reports=3)
TINY = Recipe(views=24, batch=4, size=64, reports=3)


def silent(done: int, of: int) -> None:
    """Nobody follows."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawn photos, with the lines that the teacher reads in them."""
    folder, outside = tmp_path_factory.mktemp("drawn"), tmp_path_factory.mktemp("taught")
    for number, (picture, _) in enumerate(draw_event(bib_numbers(8, seed=2), 6, SIZE, seed=2)):
        picture.save(folder / f"{number}.jpg", quality=92)
    run = Run(Outputs(outside / "taught.onnx"), Wish(folder), resume=False)
    assert len(run.untaught) == 6
    run.teach(silent)
    run.outputs.lines.rename(folder / "lines.json")
    return folder


def test_the_teacher_reads_the_bibs_of_drawn_photos(photos: Path) -> None:
    taught = json.loads((photos / "lines.json").read_bytes())
    texts = [text for told in taught.values() for text, score, _ in told["lines"] if score > 0.9]
    assert taught.keys() == {path.name for path in photos.glob("*.jpg")}
    assert len(set(texts) & set(bib_numbers(8, seed=2))) >= 4


def trained(run: Run) -> Training:
    """The training, once it is over."""
    training = run.begin(silent)
    while not training.is_over:
        training.until_next_report(silent)
        run.keep(training)
    return training


def seen_by(network: Path, picture: np.ndarray) -> list[Cut]:
    """What a network that was written finds."""
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    heat, shape = session.run(None, {"pictures": picture[np.newaxis]})
    return spots(Maps(heat[0, 0], shape[0]), *picture.shape[:2], FAINT)


def off(found: Sequence[Cut], expected: Cut) -> float:
    """Pixels between the corners of one box and the nearest of some."""
    return min(float(np.abs(one.corners - expected.corners).max()) for one in found)


@pytest.mark.timeout(600)
def test_a_training_learns_and_writes_networks_that_see_what_it_sees(photos: Path, tmp_path: Path) -> None:
    run = Run(Outputs(tmp_path / "spotter.onnx"), Wish(photos, device="cpu", recipe=LEARNED), resume=False)
    training = trained(run)
    whole, in_bytes = run.finish(training)
    assert whole.found == training.history[-1].found.found
    assert in_bytes.numbers == whole.numbers > 0
    losses = [report.loss for report in training.history]
    assert losses[-1] < 0.7 * losses[0]
    picture = np.array(Image.open(photos / "0.jpg"))
    expected = spots(training.see(picture), *picture.shape[:2], FAINT)
    assert expected
    for one in expected:
        assert off(seen_by(run.outputs.network, picture), one) < 1  # the weights are rounded to bytes
    assert off(seen_by(run.outputs.in_bytes, picture), expected[0]) < expected[0].high / 2
    assert max(path.stat().st_size for path in (run.outputs.network, run.outputs.in_bytes)) < 3_000_000
    report = json.loads(run.outputs.report.read_bytes())
    assert [one["views"] for one in report["reports"]] == [400, 800, 1200]
    assert len(report["learned_from"]) == 5
    with Image.open(run.outputs.curves) as curves:
        assert curves.size[0] > 500


def test_a_resumed_training_goes_on_as_if_it_had_never_stopped(photos: Path, tmp_path: Path) -> None:
    wish = Wish(photos, device="cpu", recipe=TINY)
    whole = trained(Run(Outputs(tmp_path / "a.onnx"), wish, resume=False))
    first = Run(Outputs(tmp_path / "b.onnx"), wish, resume=False)
    begun = first.begin(silent)
    begun.until_next_report(silent)
    first.keep(begun)
    resumed = trained(Run(Outputs(tmp_path / "b.onnx"), wish, resume=True))
    assert resumed.history == whole.history
    for name, weights in whole.spotter.state_dict().items():
        assert torch.equal(weights, resumed.spotter.state_dict()[name]), name


def test_a_training_that_cannot_be_resumed_says_why(photos: Path, tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "a.onnx")
    with pytest.raises(TrainingError, match="nothing to go on from; leave out --resume"):
        Run(outputs, Wish(photos, device="cpu", recipe=TINY), resume=True)
    outputs.state.write_bytes(b"no state")
    with pytest.raises(TrainingError, match="cannot be gone on from"):
        Run(outputs, Wish(photos, device="cpu", recipe=TINY), resume=True).begin(silent)
    trained(Run(outputs, Wish(photos, device="cpu", recipe=TINY), resume=False))
    other = Wish(photos, device="cpu", recipe=replace(TINY, seed=7))
    with pytest.raises(TrainingError, match="was begun with"):
        Run(outputs, other, resume=True).begin(silent)
    other = Wish(photos, device="cpu", recipe=replace(TINY, rate=1e-3))
    with pytest.raises(TrainingError, match=r"was begun with rate 0\.002 instead of 0\.001"):
        Run(outputs, other, resume=True).begin(silent)


def test_a_training_does_not_go_on_with_other_lines(photos: Path, tmp_path: Path) -> None:
    folder, wish = tmp_path / "photos", Wish(tmp_path / "photos", device="cpu", recipe=TINY)
    shutil.copytree(photos, folder)
    trained(Run(Outputs(tmp_path / "a.onnx"), wish, resume=False))
    lines = json.loads((folder / "lines.json").read_bytes())
    lines["0.jpg"]["lines"].pop()
    (folder / "lines.json").write_text(json.dumps(lines))
    with pytest.raises(TrainingError, match="was begun with other photos, or with other lines of them"):
        Run(Outputs(tmp_path / "a.onnx"), wish, resume=True).begin(silent)


def test_a_training_may_have_fewer_steps_than_reports(photos: Path, tmp_path: Path) -> None:
    wish = Wish(photos, device="cpu", recipe=replace(TINY, views=8))
    assert [report.views for report in trained(Run(Outputs(tmp_path / "a.onnx"), wish, resume=False)).history] == [4, 8]


def test_what_the_teacher_read_is_kept_when_it_is_interrupted(photos: Path, tmp_path: Path) -> None:
    folder, outputs = tmp_path / "photos", Outputs(tmp_path / "a.onnx")
    shutil.copytree(photos, folder, ignore=shutil.ignore_patterns("lines.json", "[3-9].jpg"))
    (folder / "1.jpg").write_bytes(b"no photo")

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(outputs, Wish(folder), resume=False).teach(stop)
    again = Run(outputs, Wish(folder), resume=False)
    assert [photo.name for photo in again.untaught] == ["1.jpg", "2.jpg"]
    with pytest.raises(TrainingError, match=r"1\.jpg"):
        again.teach(silent)
    assert [photo.name for photo in Run(outputs, Wish(folder), resume=False).untaught] == ["1.jpg"]


def test_photos_without_a_number_teach_nothing(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    (folder / "lines.json").write_text(json.dumps({path.name: {"lines": []} for path in folder.glob("*.jpg")}))
    with pytest.raises(TrainingError, match="none of the 5 photos to learn from shows a number"):
        Run(Outputs(tmp_path / "a.onnx"), Wish(folder, device="cpu"), resume=False).begin(silent)


def test_photos_that_are_labelled_are_refused_before_anything_is_read(photos: Path, tmp_path: Path) -> None:
    labelled = tmp_path / "labelled.jpg"
    labelled.write_bytes((photos / "3.jpg").read_bytes())
    with pytest.raises(TrainingError, match=r"3\.jpg: has the content of the labelled photo .*labelled\.jpg"):
        Run(Outputs(tmp_path / "a.onnx"), Wish(photos, [labelled]), resume=False)


def test_a_folder_without_photos_and_a_strange_name_are_errors(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="0 photos"):
        Run(Outputs(tmp_path / "a.onnx"), Wish(tmp_path), resume=False)
    for number in range(2):
        Image.new("RGB", (64, 64)).save(tmp_path / f"{number}.png")
    with pytest.raises(TrainingError, match="lies among the photos"):
        Run(Outputs(tmp_path / "a.onnx"), Wish(tmp_path), resume=False)
    with pytest.raises(BibwatchError, match=r"name the network \.onnx"):
        Outputs(tmp_path / "a.pt").must_be_new(force=False)
