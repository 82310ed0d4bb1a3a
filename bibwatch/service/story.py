"""The story of a photo as plain values, for scripts, the terminal and the page."""

from typing import Any

from bibwatch.match.decide import bibs_of, maybes_of, near_targets, spoken_of
from bibwatch.match.explain import fate_of, inferred_fate, story_of
from bibwatch.service.desk import Story
from bibwatch.values import ReadPhoto


def as_plain(told: Story) -> dict[str, Any]:
    """What `bibwatch why --json` prints; `size` is in pixels of the upright photo, None where it was never read."""
    photo = told.photo
    return {
        "photo": str(told.path),
        "state": told.state,
        "error": told.error,
        "size": [photo.width, photo.height] if photo else None,
        "readings": _readings(told, photo) if photo else [],
        "corrections": [{"kind": c.kind, "bibs": c.bibs, "at": c.made_at} for c in photo.corrections] if photo else [],
        "bibs": _fates(told, photo) if photo else {},
        "links": [str(link.path) for link in told.links],
        "missing": [str(path) for path in told.missing],
    }


def _readings(told: Story, photo: ReadPhoto) -> list[dict[str, Any]]:
    return [
        {
            "text": reading.text,
            "score": round(reading.score, 4),
            "box": list(reading.box),
            "detection_score": round(reading.detection_score, 4),
            "engine": reading.engine,
            "story": list(story_of(reading, told.rules)),
        }
        for reading in photo.readings
    ]


def _fates(told: Story, photo: ReadPhoto) -> dict[str, str]:
    """Bib -> what became of it, of all that were seen, may be there, or were spoken of."""
    accepted = bibs_of(photo, told.rules)
    bibs = sorted(accepted | maybes_of(photo, told.rules).keys() | spoken_of(photo, told.rules))
    within_reach = near_targets(photo, accepted, told.rules).items()
    near = {target: f"wanted: within max_distance of {bib}" for target, bib in within_reach}
    from_others = {bib: inferred_fate(bib, one, photo, told.rules) for bib, one in told.inferred.items()}
    return {bib: fate_of(bib, photo, told.rules) for bib in bibs} | near | from_others
