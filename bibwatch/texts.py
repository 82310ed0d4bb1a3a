"""The digits of texts and bibs, told alike whichever rules decide what is a bib."""

import re

from bibwatch.values import UNKNOWN

LONGEST = 12  # characters of a bib that is more than a number: a format may take for ever on a longer text

_ZERO = re.compile(r"(?<=\d)[oO](?=\d|\b)|(?<![A-Za-z])[oO](?=\d)")
_ONE = re.compile(r"(?<=\d)[Il|](?=\d|\b)|(?<![A-Za-z])[Il](?=\d\d)")
_RUN = re.compile(rf"[0-9{re.escape(UNKNOWN)}]+")
_NO_DIGIT = re.compile(rf"[^0-9{re.escape(UNKNOWN)}]")


def with_digits(text: str) -> str:
    """The text with O and I, l, | beside digits as 0 and 1, which leaves its length as it is."""
    return _ONE.sub("1", _ZERO.sub("0", text))


def mentioned(text: str) -> set[str]:
    """The digits of each bib that a text may name, by whatever rules: of each row of digits, each word, and the whole.

    Where one character could not be read, it stands for any digit, as UNKNOWN.
    """
    forms = {form.replace(UNKNOWN, " ") for form in (text, with_digits(text))}
    if text.count(UNKNOWN) == 1:
        place = text.index(UNKNOWN)
        as_if = with_digits(text.replace(UNKNOWN, "5"))
        forms |= {text, as_if[:place] + UNKNOWN + as_if[place + 1 :]}
    rows = {row for form in forms for row in _RUN.findall(form)}
    words = {_NO_DIGIT.sub("", word) for form in forms for word in (form, *form.split())}
    words |= {word.replace(UNKNOWN, "") for word in words}
    return {digits for digits in rows | words if 0 < len(digits) <= LONGEST}


def ways_to_mention(bib: str) -> set[str]:
    """The `mentioned` digits of texts that may name this bib: its own, and those with one that could not be read.

    Empty for a bib without digits, which any text may name.
    """
    digits = _NO_DIGIT.sub("", bib.replace(UNKNOWN, ""))
    return {digits, *(digits[:place] + UNKNOWN + digits[place + 1 :] for place in range(len(digits)))} - {""}
