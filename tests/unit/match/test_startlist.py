import pytest

from bibwatch.errors import StartListError
from bibwatch.match.startlist import MAX_ROWS, parse_start_list, start_list, summary


@pytest.mark.parametrize(
    "title",
    ["bib", "Bib", "BIB #", "number", "Dossard", "N° dossard", "dorsal", "Startnummer", "Numéro", "Race Number", "Nr."],
)
def test_the_bibs_column_has_many_names(title: str) -> None:
    assert set(parse_start_list(f"{title},team\n17,A\n".encode()).names) == {"17"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_spreadsheets_of_all_kinds_are_read(delimiter: str, end: str, encoding: str) -> None:
    rows = (("Name", "Bib"), ("Zoé Müller", "0042"), ("Ann", "56d"))
    text = end.join(delimiter.join(row) for row in rows) + end
    assert parse_start_list(text.encode(encoding)).names == {"0042": "Zoé Müller", "56D": "Ann"}


def test_a_quoted_name_may_hold_the_delimiter() -> None:
    assert parse_start_list(b'bib,name\n7,"Lee, Ann"\n').names == {"7": "Lee, Ann"}


@pytest.mark.parametrize("title", ["No,Bib", "Nr;Startnummer", "number,dossard"])
def test_a_count_of_the_rows_is_not_taken_for_the_bib(title: str) -> None:
    delimiter = ";" if ";" in title else ","
    assert set(parse_start_list(f"{title}\n1{delimiter}2419\n".encode()).names) == {"2419"}


@pytest.mark.parametrize(
    "header",
    [
        "bib;first name;last name",
        "dossard;prenom;nom",
        "nr;Vorname;Nachname",
        "dorsal;nombre;apellidos",
        "pettorale;nome;cognome",
    ],
)
def test_a_name_may_stand_in_two_columns(header: str) -> None:
    assert parse_start_list(f"{header}\n7;Ann;Lee\n".encode()).names == {"7": "Ann Lee"}


@pytest.mark.parametrize(
    "text",
    ["sep=;\nbib;name\n7;Ann\n", 'bib;"name, first"\n7;Ann\n', "\nbib;name\n7.0;Ann\n", "bib;name\n\uff17;Ann\n"],
)
def test_what_spreadsheets_add_of_their_own_is_understood(text: str) -> None:
    assert set(parse_start_list(text.encode()).names) == {"7"}


def test_an_unusual_line_separator_in_a_name_makes_no_row() -> None:
    assert parse_start_list("bib,name\n7,Ann\u2028Lee\n".encode()).names == {"7": "Ann\u2028Lee"}


def test_of_very_many_problems_the_first_are_told_and_the_others_counted() -> None:
    entrants = parse_start_list(b"bib\n7\n" + b"TOTAL\n" * 5000)
    assert (len(entrants.problems), entrants.doubtful) == (100, 5000)
    assert summary(entrants) == "1 entrant; 5000 doubtful rows"


def test_a_list_without_names_is_a_list() -> None:
    assert parse_start_list(b"bib\n7\n8\n").names == {"7": "", "8": ""}


def test_blank_rows_are_no_problem_and_rows_without_a_bib_are() -> None:
    entrants = parse_start_list(b"bib,name\n\n7,Ann\n,,\n,Ben\n8/9,Cy\n")
    assert entrants.names == {"7": "Ann"}
    assert entrants.problems == (
        "line 5: no bib",
        "line 6: '8/9' is no bib: digits, perhaps with letters, 20 at most",
    )


def test_a_bib_twice_is_told_with_its_lines_and_the_first_counts() -> None:
    entrants = parse_start_list(b"bib,name\n7,Ann\n8,Ben\n7,Cy\n7,Di\n")
    assert entrants.names["7"] == "Ann"
    assert entrants.problems == (
        "line 4: bib 7 is in line 2 already, which counts",
        "line 5: bib 7 is in line 2 already, which counts",
    )
    assert summary(entrants) == "2 entrants; 2 doubtful rows"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no column for the bib; the first row has none"),
        (b"name,team\nAnn,A\n", "no column for the bib; the first row has 'name', 'team'"),
        (b"bib,name\n", "no row with a bib in it"),
        (b"bib\n#\n", "the first problem: line 2: '#' is no bib"),
        (b"PK\x03\x04\0\0\x08\0bib", "a spreadsheet must be saved as CSV UTF-8"),
        (b"\xff\xfeb\0i\0b", "begins like UTF-16"),
        ("bib,name\n1,Zoé\n".encode() + "2,Müller\n".encode("cp1252"), "line 3: mixes UTF-8 with another encoding"),
        (b"bib,name\n1,\x81\n", "line 2: is no UTF-8 text"),
        (b'bib,name\n1,"' + b"x" * 200_000 + b'"\n', "not CSV: field larger than field limit"),
        (b'bib,name\n7,"Ann\n8,Ben\n', "line 3: not CSV: unexpected end of data"),
        (b"bib\n--\n", "no row with a bib in it; the first problem: line 2: '--' is no bib"),
    ],
)
def test_what_is_no_start_list_is_told_with_the_way_out(data: bytes, message: str) -> None:
    with pytest.raises(StartListError) as raised:
        parse_start_list(data)
    assert message in str(raised.value)


def test_a_list_longer_than_any_race_is_refused() -> None:
    rows = "\n".join(f"{n:07}" for n in range(MAX_ROWS + 1))
    with pytest.raises(StartListError, match="more than 200,000 rows, by line 200002"):
        parse_start_list(f"bib\n{rows}\n".encode())
    with pytest.raises(StartListError, match="more than 32 MB"):
        parse_start_list(b"bib\n" + b"1234567\n" * 5_000_000)


def test_the_more_bibs_of_a_form_are_listed_the_oftener_a_text_meets_one_by_chance() -> None:
    entrants = start_list({**{f"{n}": "" for n in range(100, 600)}, "56A": "", "7": ""})
    assert entrants.density("999") == 0.5
    assert entrants.density("3") == 0.1
    assert entrants.density("56D") == pytest.approx(1 / 2600)
    assert entrants.density("2419") == 0.0
