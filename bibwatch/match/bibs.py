"""Which numbers in a text may be bibs: small rules, each for one kind of text that holds digits and is no bib."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from bibwatch.errors import BibwatchError
from bibwatch.values import MAX_DIGITS, bib_fault, with_digits

_DAY = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day+s?|mon|tue|wed|thu|fri|sat|sun)"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_DAY_OF_MONTH = r"\d{1,2}(?:st|nd|rd|th)?"
_RACES = "(?:5|8|10|12|15|16|20|21|25|30|40|42|50|60|80|100)"  # kilometres
# What a text with digits may hold instead of a bib; the first that fits is told.
NO_BIBS = {
    "an address or a watermark": re.compile(r"(?i)\S*(?:www|http|@|©|\.(?:com|org|net|co|de|fr|nl|it|es|be|ch)\b)\S*"),
    "a time, a date or a decimal": re.compile(r"\S*\d\s*:\s*\d\S*|\S*\d[.,;/]\d\S*|\S*::\S*"),
    "a phone number": re.compile(r"(?:\+|\b(?!(?:\d{3,5} +)+\d{3,5}\b)0)(?:\d[ ()/-]*){8,}|\b(?:\d\d[ /-]){4,}\d\d\b"),
    "a day or a month": re.compile(
        rf"(?i)\b(?:{_DAY}|{_MONTH})[., ]+{_DAY_OF_MONTH}\b|\b{_DAY_OF_MONTH}[., ]+(?:{_DAY}|{_MONTH})\b"
    ),
    "a price": re.compile(r"[€$£¥]\s*\d\S*|\S*\d\s*[€$£¥]"),
    "a distance": re.compile(
        rf"(?i:(?<!\d)\d{{1,3}}\s*(?:km|mi|miles?|mtr)\b)|(?<!\d)\d{{1,3}}\s*m\b|(?<!\d){_RACES}\s*[kK]\b"
    ),
    "a number plate": re.compile(r"\S*[A-Za-z]-\d+-[A-Za-z]\S*|\b[A-Z]{2,3}·\d{2,4}·?[A-Z]{2,3}\b"),
}
# What each of them has somewhere, and most texts nowhere, which spares them the rest.
_MARKED = re.compile(r"[:.,;/€$£¥@©+·-]|[A-Za-z]{2}|\d\s*[kKm]|(?:\d[ ()]*){8}")
_JOINED = re.compile(r"(?<![^\W_])(\d{1,3}\s*[kK][mM]?)[-./#|]+(?=\d)")  # a race's length against a number: 10K-2419
_CLOCK = re.compile(r"[0-9]\s*[:.,;/][0-9]")
_DIGIT = re.compile(r"[0-9]")
_EDGES = re.compile(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$")
_NUMBER = re.compile(rf"([A-Za-z]?)-?(\d{{1,{MAX_DIGITS}}})-?([A-Za-z]?)", re.ASCII)
YEARS = range(1990, 2040)


class Number(NamedTuple):
    """A number in a text, with the letter that stands against it on either side."""

    before: str  # a capital letter, or nothing
    digits: str
    after: str
    alone: bool  # whether the text holds nothing but such numbers

    def letter(self, side: str | None) -> str:
        """The letter `before` or `after` the digits, or nothing."""
        return "" if side is None else self.before if side == "before" else self.after


def is_year(digits: str) -> bool:
    """Whether a number reads like the year of a race."""
    return len(digits) == 4 and int(digits) in YEARS


def no_bib(text: str) -> str | None:
    """What kind of text this is that holds digits but no bib, or None where it may hold one."""
    return next((kind for kind, pattern in NO_BIBS.items() if pattern.search(text)), None)


def is_number(text: str) -> bool:
    """Whether a text is a number as bibs have it, and nothing else."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS


def numbers_in(text: str) -> tuple[Number, ...]:
    """The numbers in a text that may be bibs, from left to right; leading zeros kept.

    O and I, l, | beside digits are 0 and 1. One letter on either side is told, as in `56D`, `M90005`, `21250-B`;
    whether it belongs to the bib is for the event to say. A longer word against a number makes it none: `TEAM413`.
    What reads like a clock, a date or the like is left out, and a number beside it is not alone.
    """
    return (Number("", text, "", alone=True),) if is_number(text) else _parsed(text)


@lru_cache(maxsize=10_000)
def _parsed(text: str) -> tuple[Number, ...]:
    if not _DIGIT.search(text):
        return ()
    whole = with_digits(text.strip())
    if not _MARKED.search(whole):
        return tuple(_numbers(whole, alone=True))
    whole = rest = _JOINED.sub(r"\1 ", whole)
    for pattern in NO_BIBS.values():
        rest = pattern.sub(" ", rest)
    if rest == whole:
        return tuple(_numbers(whole, alone=True))
    words = whole.split()  # half of a word that was cut is none: 15 in JUNE 14-15, 5 in 5-10km
    return tuple(_numbers(" ".join(word for word in rest.split() if word in words), alone=False))


def typed_bibs(*texts: str) -> tuple[str, ...]:
    """The bibs that a person typed, parted by commas or blanks, each once.

    Raises:
        BibwatchError: one of them cannot be a bib.
    """
    bibs = [bib for text in texts for bib in text.replace(",", " ").split()]
    for bib in bibs:
        if fault := bib_fault(bib):
            raise BibwatchError(fault)
    return tuple(dict.fromkeys(bib.upper() for bib in bibs))


def clock_digits(text: str) -> str | None:
    """The digits of a text that reads like a clock or a decimal, which may be a bib read with a mark too many."""
    return "".join(filter(str.isdigit, text)) if _CLOCK.search(text) else None


def bare(word: str) -> str:
    """A word without the marks around it."""
    return _EDGES.sub("", word)


def _numbers(text: str, *, alone: bool) -> Iterator[Number]:
    words = text.split()
    found = [_NUMBER.fullmatch(bare(word)) for word in words]
    # A mark that is no word stands alone: a smudge, an M or F in a tile of its own.
    alone = alone and all(match or len(word) == 1 for match, word in zip(found, words, strict=True))
    for match in found:
        if match:
            yield Number(match[1].upper(), match[2], match[3].upper(), alone)
