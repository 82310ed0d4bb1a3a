"""Finding people by name in the start list. Pure."""

import unicodedata
from collections.abc import Mapping

from bibwatch.web.follow import in_order


class Runners:
    """Who runs, by name, whatever the accents and the order of the words."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._folded = [(folded(name), bib) for bib, name in names.items() if name]

    def named(self, query: str, limit: int) -> list[str]:
        """The bibs of those whose names hold every word of the query, so many at most; all where they are fewer."""
        words = folded(query).split()
        found = (bib for name, bib in self._folded if words and all(word in name for word in words))
        return in_order(found)[:limit]


def folded(text: str) -> str:
    """Small letters without accents: `Zoë MÜLLER` is `zoe muller`."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in plain if not unicodedata.combining(character))
