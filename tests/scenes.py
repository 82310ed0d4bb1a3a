"""Drawn photos with box files, for training."""

import random
from pathlib import Path

from bibwatch.draw import Runner, bib_box, draw_scene
from bibwatch.train.boxes import boxes_as_text

# A network of the real shape that two cores can train: it sees small pictures and few regions in each.
LIMITS = {
    "min_size": 128,
    "max_size": 128,
    "box_batch_size_per_image": 16,
    "rpn_post_nms_top_n_train": 100,
    "rpn_post_nms_top_n_test": 50,
}


def close_runner(chance: random.Random) -> Runner:
    """A runner who fills the picture, bib in the middle."""
    tilt = chance.choice((0, 0, chance.uniform(-10, 10)))
    return Runner(str(chance.randint(100, 9999)), 0.5 + chance.uniform(-0.2, 0.2), chance.uniform(1.2, 1.6), tilt)


def draw_scenes(folder: Path, count: int, seed: int = 3) -> Path:
    """Photos 0.png, 1.png, ... with 0.txt, 1.txt, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    for number in range(count):
        size = (150, 128) if number % 2 else (128, 128)
        runner = close_runner(chance)
        draw_scene([runner], size, number).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(boxes_as_text([bib_box(runner, size)]))
    return folder
