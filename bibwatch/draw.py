"""Drawn race photos: runners with bibs, some tilted or partly hidden, for wherever no real photo may go.

A scene is drawn at twice its size and shrunk, so that edges are as soft as in a photo.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from bibwatch.values import Box

OVERSAMPLE = 2
SKIES = ((168, 201, 229), (206, 214, 222), (244, 214, 178), (142, 178, 214))
FIELDS = ((96, 134, 74), (122, 140, 86), (84, 118, 92), (146, 138, 96))
ROADS = ((112, 112, 118), (128, 124, 120), (98, 100, 106))
SHIRTS = ((200, 52, 60), (44, 98, 180), (38, 142, 96), (238, 176, 40), (120, 66, 150), (36, 40, 52), (230, 112, 44))
SKINS = ((241, 204, 178), (214, 165, 128), (166, 114, 80), (104, 70, 50))
BAND_COLOURS = ((26, 86, 150), (178, 34, 44), (30, 118, 78), (90, 50, 120))

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Runner:
    """One runner in a scene."""

    bib: str
    centre: float  # 0..1 of the width
    height: float  # 0..1 of the picture's height, head to toe
    tilt: float = 0.0  # degrees, of the bib
    hidden: float = 0.0  # 0..1 of the bib's width, covered by an arm


def draw_scene(runners: Sequence[Runner], size: tuple[int, int], seed: int) -> Image.Image:
    """A picture of `size` (width, height) pixels with these runners, the farthest drawn first."""
    chance = random.Random(seed)
    width, height = size[0] * OVERSAMPLE, size[1] * OVERSAMPLE
    picture = _landscape(width, height, chance)
    for runner in sorted(runners, key=lambda runner: runner.height):
        _draw_runner(picture, runner)
    shrunk = picture.resize(size, Image.Resampling.LANCZOS)
    return shrunk.filter(ImageFilter.GaussianBlur(0.4))


def bib_box(runner: Runner, size: tuple[int, int]) -> Box:
    """Where the whole card of a runner's bib lies in a scene of `size` (width, height) pixels, clipped to it."""
    (x, y), wide, high = _card(runner, *size)
    slant = math.radians(abs(runner.tilt))
    across = (wide * math.cos(slant) + high * math.sin(slant)) / 2
    down = (wide * math.sin(slant) + high * math.cos(slant)) / 2
    left, top = max(0, math.floor(x - across)), max(0, math.floor(y - down))
    return Box(left, top, min(size[0], math.ceil(x + across)), min(size[1], math.ceil(y + down)))


def draw_event(
    bibs: Sequence[str], photos: int, size: tuple[int, int], seed: int
) -> list[tuple[Image.Image, list[Runner]]]:
    """Photos of one race, each with one to three of its runners; every bib comes by at least once if there is room."""
    chance = random.Random(seed)
    order = list(bibs)
    chance.shuffle(order)
    scenes = []
    for number in range(photos):
        count = chance.choice((1, 1, 2, 2, 3))
        shown = [order[(number + step * 7) % len(order)] for step in range(count)]
        runners = [_placed(bib, place, count, chance) for place, bib in enumerate(dict.fromkeys(shown))]
        scenes.append((draw_scene(runners, size, chance.randrange(1 << 30)), runners))
    return scenes


def _placed(bib: str, place: int, count: int, chance: random.Random) -> Runner:
    centre = (place + 0.5) / count + chance.uniform(-0.06, 0.06)
    tilt = chance.choice((0, 0, chance.uniform(-12, 12)))
    hidden = 0.3 if chance.random() < 0.12 else 0.0
    return Runner(bib, centre, chance.uniform(0.62, 0.82), tilt, hidden)


def _card(runner: Runner, width: float, height: float) -> tuple[tuple[float, float], float, float]:
    """Centre, width and height of a runner's card before it is turned, in a picture of these pixels."""
    tall = runner.height * height
    shoulder = height * (0.72 + runner.height * 0.3) - tall * 0.8
    return (runner.centre * width, shoulder + tall * 0.2), tall * 0.21, tall * 0.21 * 0.78


def _landscape(width: int, height: int, chance: random.Random) -> Image.Image:
    picture = Image.new("RGB", (width, height), chance.choice(SKIES))
    pen = ImageDraw.Draw(picture)
    horizon = int(height * chance.uniform(0.28, 0.38))
    pen.rectangle((0, horizon, width, height), fill=chance.choice(FIELDS))
    for _ in range(18):
        _draw_tree(pen, chance.randrange(width), horizon, height * chance.uniform(0.06, 0.16), chance)
    left, right = width * chance.uniform(0.25, 0.4), width * chance.uniform(0.6, 0.75)
    pen.polygon((left, horizon, right, horizon, width * 1.2, height, -width * 0.2, height), fill=chance.choice(ROADS))
    return picture


def _draw_tree(pen: ImageDraw.ImageDraw, x: float, foot: float, size: float, chance: random.Random) -> None:
    green = chance.randint(70, 120)
    pen.rectangle((x - size * 0.06, foot - size * 0.5, x + size * 0.06, foot), fill=(92, 72, 52))
    pen.ellipse((x - size * 0.45, foot - size * 1.5, x + size * 0.45, foot - size * 0.3), fill=(50, green, 56))


def _draw_runner(picture: Image.Image, runner: Runner) -> None:
    chance = random.Random(runner.bib)  # a runner looks the same in every photo
    width, height = picture.size
    tall = runner.height * height
    x, foot = runner.centre * width, height * (0.72 + runner.height * 0.3)
    head, hip, shoulder = foot - tall, foot - tall * 0.45, foot - tall * 0.8
    shirt, skin, stride = chance.choice(SHIRTS), chance.choice(SKINS), chance.choice((-1, 1))
    pen = ImageDraw.Draw(picture)
    for side in (-1, 1):
        knee = (x + side * stride * tall * 0.07, hip + tall * 0.2)
        ankle = (x + side * stride * tall * 0.02, foot - (tall * 0.1 if side == stride else 0))
        _limb(pen, ((x + side * tall * 0.05, hip), knee, ankle), skin, tall * 0.075)
        _limb(pen, (ankle, (ankle[0] + tall * 0.03, ankle[1])), (240, 240, 240), tall * 0.05)
    body = (x - tall * 0.13, shoulder, x + tall * 0.13, hip + tall * 0.02)
    pen.rounded_rectangle((body[0], hip - tall * 0.06, body[2], hip + tall * 0.1), tall * 0.05, fill=(40, 42, 50))
    pen.rounded_rectangle(body, tall * 0.06, fill=shirt)
    pen.rectangle((x - tall * 0.03, shoulder - tall * 0.05, x + tall * 0.03, shoulder + tall * 0.02), fill=skin)
    pen.ellipse((x - tall * 0.065, head, x + tall * 0.065, head + tall * 0.16), fill=skin)
    pen.pieslice(
        (x - tall * 0.068, head - tall * 0.01, x + tall * 0.068, head + tall * 0.12), 180, 360, fill=(54, 40, 32)
    )
    _draw_bib(picture, runner, chance)
    for side in (-1, 1):
        # A hidden bib lies behind the arm that swings across it.
        across = runner.hidden > 0 and side == 1
        hand = x + tall * 0.105 * (1 - 2 * runner.hidden) if across else x + side * tall * 0.17
        elbow = (x + side * tall * 0.2, shoulder + tall * 0.19)
        lift = 0.2 if across else 0.27
        _limb(
            pen,
            ((x + side * tall * 0.13, shoulder + tall * 0.04), elbow, (hand, shoulder + tall * lift)),
            skin,
            tall * 0.055,
        )


def _limb(pen: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], colour: Colour, thick: float) -> None:
    pen.line(list(points), fill=colour, width=max(1, round(thick)), joint="curve")
    for x, y in points:
        pen.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=colour)


def _draw_bib(picture: Image.Image, runner: Runner, chance: random.Random) -> None:
    """A white card with a coloured band, the number below it, turned by the runner's tilt."""
    centre, wide, high = _card(runner, *picture.size)
    width, height = round(wide), round(high)
    card = Image.new("RGBA", (width, height), (250, 250, 247, 255))
    pen = ImageDraw.Draw(card)
    pen.rectangle((0, 0, width, height * 0.22), fill=chance.choice(BAND_COLOURS))
    band = ImageFont.load_default(size=height * 0.15)
    pen.text((width / 2, height * 0.11), "CITY RUN", fill=(255, 255, 255), font=band, anchor="mm")
    number = ImageFont.load_default(size=min(height * 0.62, 1.45 * width / max(1, len(runner.bib))))
    pen.text(
        (width / 2, height * 0.6),
        runner.bib,
        fill=(22, 22, 26),
        font=number,
        anchor="mm",
        stroke_width=max(1, width // 90),
    )
    for x, y in ((0.05, 0.3), (0.95, 0.3), (0.05, 0.93), (0.95, 0.93)):
        pen.ellipse((x * width - 2, y * height - 2, x * width + 2, y * height + 2), fill=(120, 120, 120))
    turned = card.rotate(runner.tilt, Image.Resampling.BICUBIC, expand=True)
    spot = (round(centre[0] - turned.width / 2), round(centre[1] - turned.height / 2))
    picture.paste(turned, spot, turned)


def bib_numbers(count: int, seed: int) -> list[str]:
    """Different bibs of a race, without two that are one digit apart."""
    chance = random.Random(seed)
    bibs: list[str] = []
    while len(bibs) < count:
        bib = str(chance.randint(1000, 4999))
        if all(_digits_apart(bib, other) > 1 for other in bibs):
            bibs.append(bib)
    return bibs


def _digits_apart(one: str, other: str) -> float:
    return sum(a != b for a, b in zip(one, other, strict=True)) if len(one) == len(other) else math.inf
