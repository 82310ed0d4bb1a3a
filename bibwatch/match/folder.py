"""What a bib's folder is called."""

import re

from bibwatch.values import bib_fault

MAX_BYTES = 120  # of a name in UTF-8; a file name may have 255
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*]+')  # here, or on a stick that folders are copied to
_PLACEHOLDER = re.compile(r"\{(bib|name)\}")
_NAME_AND_PARTERS = re.compile(r"[ _.,-]*[(\[]?\{name\}[)\]]?[ _.,-]*")


def folder_name(template: str, bib: str, name: str) -> str:
    """The template with bib and name in it, as one safe name for a folder.

    Slashes and control characters of the name become blanks. A bib without a name gets a folder of the bib alone.
    """
    safe = " ".join(_UNSAFE.sub(" ", name).split()).encode()[:MAX_BYTES].decode("utf-8", "ignore").strip(". ")
    if not safe:
        template = _NAME_AND_PARTERS.sub(" ", template).strip()
    if fault := bib_fault(bib):
        raise ValueError(fault)
    return _PLACEHOLDER.sub(lambda field: {"bib": bib, "name": safe}[field[1]], template)
