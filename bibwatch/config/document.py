"""The config file as it is written: plain values, their lines, and what is wrong with its form."""

from pathlib import Path
from typing import Any

import yaml

from bibwatch.errors import ConfigError

Place = tuple[str | int, ...]  # the way to a value: ("watch", 0, "path")


class Document:
    """A YAML file whose scalars stay text: a bib 0042 is a name, though YAML would read 34, and 12:30 as 750."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines: dict[Place, int] = {}
        self._problems: list[tuple[int, str]] = []
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
            raise ConfigError([f"{where}: not valid YAML: {error.problem or error.context}"]) from error
        except (yaml.YAMLError, RecursionError) as error:
            raise ConfigError([f"{path}: not valid YAML: {error}"]) from error
        try:
            values = {} if root is None else self._plain(root, ())
        except RecursionError as error:
            raise ConfigError([f"{path}: not a config: a value holds itself, or is nested without end"]) from error
        if not isinstance(values, dict):
            raise ConfigError([f"{path}: a config is made of `key: value` lines; see config.example.yaml"])
        self.values: dict[str, Any] = values

    @property
    def problems(self) -> list[str]:
        """What was reported so far, in the order of the file."""
        return list(dict.fromkeys(text for _, text in sorted(self._problems, key=lambda problem: problem[0])))

    def report(self, place: Place, text: str) -> None:
        """Note a problem with the value at this place, or with the nearest place around it that is in the file."""
        known = next((place[:n] for n in range(len(place), 0, -1) if place[:n] in self._lines), None)
        self._report_line(self._lines[known] if known else None, place, text)

    def without(self, places: list[Place]) -> dict[str, Any]:
        """The values less the keys at these places, so that the rest can be checked too."""
        return _pruned(self.values, set(places))

    def _report_line(self, line: int | None, place: Place, text: str) -> None:
        where = f"{self._path}, line {line}" if line else str(self._path)
        self._problems.append((line or 0, f"{where}: {key_of(place)}: {text}"))

    def _plain(self, node: yaml.Node, place: Place) -> Any:
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(child, (*place, index)) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        assert isinstance(node, yaml.ScalarNode)
        return None if node.tag == "tag:yaml.org,2002:null" else node.value

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            here = (*place, key)
            if key in values:
                self._report_line(line, here, f"written twice, first in line {self._lines[here]}")
                continue
            self._lines[here] = line
            values[key] = self._plain(value_node, here)
        return values


def _pruned(values: dict[str, Any], places: set[Place]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in values.items():
        inside = {place[1:] for place in places if place[:1] == (key,)}
        if () in inside:
            continue
        if isinstance(value, dict):
            kept[key] = _pruned(value, inside)
        elif isinstance(value, list) and inside:
            items = [_pruned_item(item, {p[1:] for p in inside if p[0] == index}) for index, item in enumerate(value)]
            if None not in items:
                kept[key] = items
        else:
            kept[key] = value
    return kept


def _pruned_item(item: Any, places: set[Place]) -> Any:
    """The list item, or None where it is wrong as a whole; its place in the list must not change."""
    if () in places:
        return None
    return _pruned(item, places) if isinstance(item, dict) else item


def key_of(place: Place) -> str:
    """("watch", 0, "path") -> watch[0].path."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
