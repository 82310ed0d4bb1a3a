"""Which texts are bibs."""

import re
from collections.abc import Container

BIB = re.compile(r"\d{1,5}", re.ASCII)


def bib_in(text: str, named: Container[str] = ()) -> str | None:
    """The bib that a text as seen stands for, or None.

    A bib is digits only, leading zeros kept: races number to 99999, and longer digit strings on photos are phone
    numbers and watermarks. A text that is one of the `named` bibs to the letter (`56D`) is that bib.
    """
    bare = text.strip()
    return bare if bare in named or BIB.fullmatch(bare) else None
