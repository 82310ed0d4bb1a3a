"""The start list: the bibs that run this race, with names, from a timing system's or a spreadsheet's CSV."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from bibwatch.errors import StartListError
from bibwatch.values import count_of

MAX_BYTES = 32 * 2**20
MAX_ROWS = 200_000
MAX_TOLD = 100  # problems
LONGEST_ENTRY = 20  # characters
# Titles of columns, as `_plain` leaves them; what could also be a mere count of rows comes second.
BIB_COLUMNS = (
    *("bib", "bibno", "bibnumber", "racenumber", "startno", "startnumber", "startnummer", "startnr"),
    *("dossard", "nodossard", "numerodossard", "dorsal", "dorsalno", "nodorsal", "numerodorsal", "pettorale"),
    *("number", "numero", "nummer", "num", "no", "nr"),
)
NAME_COLUMNS = ("name", "fullname", "athlete", "runner", "participant", "nom", "nombre", "nome", "naam")
FIRST_NAME_COLUMNS = ("firstname", "givenname", "prenom", "vorname", "voornaam")
LAST_NAME_COLUMNS = ("lastname", "surname", "familyname", "nachname", "apellidos", "achternaam", "cognome")
DELIMITERS = ",;\t"
ANY = ""  # letter, in what tells bibs apart
LETTERS = 26  # that a bib's letter may be

# The digits of a bib, and on which side a letter stands: what bibs of one form have in common.
_FORM = re.compile(r"([A-Z]*)(\d*)([A-Z]*)", re.ASCII)
Form = tuple[bool, int, bool]


@dataclass(frozen=True, slots=True)
class StartList:
    """Who runs."""

    names: Mapping[str, str]  # bib -> name, empty where the list has none
    problems: tuple[str, ...] = ()  # rows left out or doubtful, each with its line; the first of them
    doubtful: int = 0  # such rows
    _forms: Mapping[Form, int] = field(default_factory=dict)  # form -> bibs of it
    _lettered: frozenset[tuple[str, str, str]] = frozenset()  # digits, a side, and a letter there, or ANY

    def __contains__(self, bib: str) -> bool:
        return bib in self.names

    def tells_apart(self, digits: str, side: str, letter: str) -> bool:
        """Whether a letter read `before` or `after` these digits may be part of a bib.

        It may where somebody has these digits and one letter there, whichever that is, or a word that has this one
        against the digits: the P of VIP17.
        """
        return (digits, side, ANY) in self._lettered or (digits, side, letter) in self._lettered

    def density(self, bib: str) -> float:
        """The share of all possible bibs of this form that are on the list, 0..1.

        It is how often a text that is no bib, or a bib misread, meets an entrant by chance.
        """
        before, digits, after = form = form_of(bib)
        possible = 10.0**digits * (LETTERS if before else 1) * (LETTERS if after else 1)
        return min(1.0, self._forms.get(form, 0) / possible)


def form_of(bib: str) -> Form:
    """Whether a letter stands before, how many digits, whether a letter stands after."""
    match = None if bib.isdigit() else _FORM.fullmatch(bib)
    return (False, len(bib), False) if match is None else (bool(match[1]), len(match[2]), bool(match[3]))


def start_list(bibs: Mapping[str, str], problems: Sequence[str] = (), doubtful: int = 0) -> StartList:
    """The list of these bibs, in capitals, and their names."""
    lettered = set()
    for before, digits, after in (match.groups() for match in map(_FORM.fullmatch, bibs) if match):
        for side, word, letter in (("before", before, before[-1:]), ("after", after, after[:1])):
            if word:
                lettered.add((digits, side, ANY if len(word) == 1 else letter))
    return StartList(bibs, tuple(problems), doubtful, Counter(map(form_of, bibs)), frozenset(lettered))


def parse_start_list(data: bytes) -> StartList:
    """The start list in a CSV file's bytes.

    The first row names the columns; the bib's may be called bib, number, dossard, dorsal, startnummer, numero and the
    like. Columns are parted by comma, semicolon or tab. Leading zeros are kept. Of a bib that is there twice, the first
    row counts, and the problem names both lines.

    Raises:
        StartListError: it is no such file.
    """
    if len(data) > MAX_BYTES:
        raise StartListError(f"more than {MAX_BYTES // 2**20} MB: is it the list of one race?")
    rows = _rows(_text_of(data))
    columns = _Columns(next(rows, (1, []))[1])
    bibs: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems = _Problems()
    for count, (line, row) in enumerate(rows):
        if count == MAX_ROWS:
            raise StartListError(f"more than {MAX_ROWS:,} rows, by line {line}: is it the list of one race?")
        bib, name = columns.bib_of(row), columns.name_of(row)
        if fault := _fault(bib, name):
            problems.add(f"line {line}: {fault}")
        elif bib in bibs:
            problems.add(f"line {line}: bib {bib} is in line {lines[bib]} already, which counts")
        else:
            bibs[bib], lines[bib] = name, line
    if not bibs:
        first = f"; the first problem: {problems.told[0]}" if problems.told else ""
        raise StartListError(f"no row with a bib in it{first}")
    return start_list(bibs, problems.told, problems.count)


class _Problems:
    """What is wrong with rows: the first ones, and how many there are."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.count = 0

    def add(self, problem: str) -> None:
        self.count += 1
        if self.count <= MAX_TOLD:
            self.told.append(problem)


class _Columns:
    """Where bibs and names stand in a row."""

    def __init__(self, header: Sequence[str]) -> None:
        found = [_plain(title) for title in header]
        self._bib = _first(found, BIB_COLUMNS)
        if self._bib is None:
            titles = ", ".join(repr(title[:40]) for title in header[:12]) or "none"
            raise StartListError(
                f"no column for the bib; the first row has {titles}; call one of them bib, number, dossard, dorsal, "
                "startnummer or numero"
            )
        whole, last = _first(found, NAME_COLUMNS), _first(found, LAST_NAME_COLUMNS)
        first = _first(found, FIRST_NAME_COLUMNS)
        # In French lists `prenom` stands beside `nom`, which is the last name; in Spanish ones `nombre` is the first.
        order = (first, whole if last is None else last) if first is not None else (whole, last)
        self._names = [place for place in order if place is not None]

    def bib_of(self, row: Sequence[str]) -> str:
        assert self._bib is not None
        written = row[self._bib] if self._bib < len(row) else ""
        bib = unicodedata.normalize("NFKC", written).strip().upper()
        return bib.removesuffix(".0")  # what spreadsheets make of a column of numbers with a gap in it

    def name_of(self, row: Sequence[str]) -> str:
        return " ".join(row[place].strip() for place in self._names if place < len(row)).strip()


def _first(titles: Sequence[str], wanted: Sequence[str]) -> int | None:
    """The column with the title that comes first among those wanted."""
    return next((titles.index(title) for title in wanted if title in titles), None)


def _plain(title: str) -> str:
    """A column's title as letters only: `N° dossard` -> nodossard, `Prénom` -> prenom."""
    letters = unicodedata.normalize("NFKD", title.replace("°", "o").replace("º", "o")).lower()
    return "".join(character for character in letters if character.isascii() and character.isalnum())


def _fault(bib: str, name: str) -> str | None:
    if not bib:
        return "no bib"
    if len(bib) > LONGEST_ENTRY or not re.fullmatch(r"[A-Z0-9-]*[0-9][A-Z0-9-]*", bib):
        return f"{bib[:40]!r} is no bib: digits, perhaps with letters, {LONGEST_ENTRY} at most"
    return "a quote is opened in it that ends in another line" if "\n" in name else None


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold something, each with the line that it ends in."""
    told, _, rest = text.partition("\n")
    skipped = 1 if told.strip().lower().startswith("sep=") else 0  # Excel's own way to tell the delimiter
    body = rest if skipped else text
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=_delimiter(body), strict=True)
    try:
        yield from ((reader.line_num + skipped, row) for row in reader if any(cell.strip() for cell in row))
    except csv.Error as error:
        raise StartListError(f"line {reader.line_num + skipped}: not CSV: {error}") from error


def _delimiter(text: str) -> str:
    """What parts the first row into the most columns, a column for the bib among them if there is one."""
    header = next((line for line in text.split("\n") if line.strip()), "")

    def worth(delimiter: str) -> tuple[bool, int]:
        titles = [_plain(title) for title in header.split(delimiter)]
        return _first(titles, BIB_COLUMNS) is not None, len(titles)

    return max(DELIMITERS, key=worth)


def _text_of(data: bytes) -> str:
    """UTF-8, UTF-16 with its mark, or, where nothing in it is UTF-8, what Windows writes in western Europe."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise StartListError("it begins like UTF-16 and does not go on so; save it as CSV UTF-8") from error
    if b"\0" in data:
        raise StartListError("not a text; a spreadsheet must be saved as CSV UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        mixed = any(byte >= 0x80 for byte in data.decode("utf-8", "ignore").encode())
        with suppress(UnicodeDecodeError):
            if not mixed:
                return data.decode("cp1252")
        what = "mixes UTF-8 with another encoding" if mixed else "is no UTF-8 text"
        raise StartListError(f"line {line}: {what}; save the list as CSV UTF-8") from error


def summary(entrants: StartList) -> str:
    """How many run, for people."""
    problems = f"; {count_of(entrants.doubtful, 'doubtful row')}" if entrants.doubtful else ""
    return count_of(len(entrants.names), "entrant") + problems
