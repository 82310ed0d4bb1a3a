import pytest

from bibwatch.match.folder import folder_name


@pytest.mark.parametrize(
    ("template", "name", "folder"),
    [
        ("{bib}", "Ann Lee", "42"),
        ("bib {bib}", "", "bib 42"),
        ("{bib}_{name}", "Ann Lee", "42_Ann Lee"),
        ("{bib}_{name}", "", "42"),
        ("{name} - {bib}", "", "42"),
        ("{bib}_{name}", "Ann/../../etc", "42_Ann .. .. etc"),
        ("{bib}_{name}", "Ann\nLee\0", "42_Ann Lee"),
        ("{bib}_{name}", "Žofia {bib}", "42_Žofia {bib}"),
        ("{name} {bib}", "..", "42"),
        ("runner {name} {bib}", "", "runner 42"),
        ("runner {bib} ({name})", "", "runner 42"),
        ("{name} ({bib})", "", "(42)"),
        ("{bib}, {name}", "", "42"),
        ("{bib}_{name}", 'Ann "Speedy" Lee: CH?*', "42_Ann Speedy Lee CH"),
    ],
)
def test_a_folder_is_called_as_the_template_says_and_safely(template: str, name: str, folder: str) -> None:
    assert folder_name(template, "42", name) == folder


def test_a_very_long_name_is_cut_and_the_bib_is_not() -> None:
    folder = folder_name("{name}_{bib}", "42", "é" * 300)
    assert folder.endswith("_42")
    assert len(folder.encode()) < 255
