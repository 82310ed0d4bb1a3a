"""How far a text is from a bib: the notebook's measure, kept exactly."""

from difflib import SequenceMatcher


def within(text: str, target: str, max_distance: float) -> bool:
    """Whether the digits of `text` lie within `max_distance` of `target`.

    The distance is max(len) x (1 - SequenceMatcher ratio), over the digits of the text and the whole target, as in
    the dossard notebook's final matching. It counts roughly a half for a digit missing and one for a digit exchanged.
    A text without digits is never within any distance.
    """
    digits = "".join(filter(str.isdigit, text))
    if not digits:
        return False
    ratio = SequenceMatcher(None, digits, target).ratio()
    return max(len(digits), len(target)) * (1 - ratio) <= max_distance
