"""A page with each photo that was decided wrongly: its texts where they stand, and what they were taken for."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from PIL import Image

from bibwatch.errors import PhotoError
from bibwatch.evaluate.judge import Counts, Judged
from bibwatch.read.photo_file import decode
from bibwatch.values import Reading, shown

LONG_SIDE = 1000  # pixels of a photo on the page
STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
figure { margin: 2.5rem 0; } figcaption { margin: .4rem 0; overflow-wrap: anywhere; }
.scene { position: relative; } .scene img { width: 100%; display: block; border-radius: 4px; }
.scene svg { position: absolute; inset: 0; width: 100%; height: 100%; }
rect { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
text { paint-order: stroke; stroke: #000c; fill: #fff; font-weight: 600; }
.right rect { stroke: #2fbf5f; } .wrong rect { stroke: #ff4d4d; } .none rect { stroke: #8fb4ff; stroke-dasharray: 4; }
.wrong-bib { color: #e03131; } .missed-bib { color: #b8860b; }
"""


def page(judged: Iterable[Judged], folder: Path, counted: Counts) -> str:
    """The page as HTML that needs no other file."""
    figures = "\n".join(_figure(one, folder) for one in judged if one.wrong or one.missed)
    counts = f"{counted.true_positives} right, {counted.false_positives} wrong, {counted.false_negatives} missed"
    shares = f"precision {counted.precision:.3f}, recall {counted.recall:.3f}, F1 {counted.f1:.3f}"
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>bibwatch eval</title>
<style>{STYLE}</style>
<h1>Where bibs were wrong or missed</h1>
<p>{counted.photos} photos, {counted.bibs} bibs: {counts}; {shares}.</p>
<p>Boxes: green for a bib that is there, red for a bib that is not, dashed for other texts with digits.</p>
{figures}
</html>
"""


def _figure(one: Judged, folder: Path) -> str:
    parts = [
        f'<span class="wrong-bib">wrong: {escape(bib)} ({one.matches[bib].probability:.2f})</span>'
        for bib in sorted(one.wrong)
    ]
    parts += [f'<span class="missed-bib">missed: {escape(bib)}{_almost(one, bib)}</span>' for bib in sorted(one.missed)]
    found = ", ".join(sorted(one.found & one.photo.bibs)) or "none"
    return f"""<figure>
{_scene(one, folder)}
<figcaption><strong>{escape(shown(one.photo.file))}</strong><br>{"; ".join(parts)}; right: {escape(found)}</figcaption>
</figure>"""


def _almost(one: Judged, bib: str) -> str:
    return f" ({one.matches[bib].probability:.2f})" if bib in one.matches else ""


def _scene(one: Judged, folder: Path) -> str:
    """The photo with boxes, or why it cannot be shown."""
    try:
        picture = Image.fromarray(decode((folder / one.photo.file).read_bytes(), last_look=True))
    except (OSError, PhotoError) as error:
        return f"<p>{escape(str(error))}</p>"
    width, height = picture.size
    picture.thumbnail((LONG_SIDE, LONG_SIDE))
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=80)
    data = base64.b64encode(jpeg.getvalue()).decode()
    marks = "\n".join(_marks(one, max(width, height) / LONG_SIDE))
    return f"""<div class="scene"><img alt="" src="data:image/jpeg;base64,{data}">
<svg viewBox="0 0 {width} {height}">{marks}</svg></div>"""


def _marks(one: Judged, pixel: float) -> Iterator[str]:
    for reading in one.readings:
        x0, y0, x1, y1 = reading.box
        kind, label = _kind(one, reading)
        yield f"""<g class="{kind}"><rect x="{x0}" y="{y0}" width="{x1 - x0}" height="{y1 - y0}"/>
<text x="{x0}" y="{max(y0 - 4 * pixel, 14 * pixel)}" font-size="{14 * pixel:.0f}">{escape(label)}</text></g>"""


def _kind(one: Judged, reading: Reading) -> tuple[str, str]:
    """Whether a reading was taken for a bib that is there, one that is not, or none; and what it says."""
    bibs = [bib for bib in one.found if one.matches[bib].reading == reading]
    label = reading.text + "".join(f" → {bib}" for bib in bibs if bib != reading.text)
    if not bibs:
        return "none", label
    return "wrong" if one.wrong.intersection(bibs) else "right", label
