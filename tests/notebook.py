"""The notebook's own functions, taken from its text, to hold ours against."""

import re
from pathlib import Path
from typing import Any


def functions(shared: Path, *wanted: str, **names: object) -> dict[str, Any]:
    """Run the notebook's cells that define these functions, with `names` in scope; everything they define."""
    text = (shared / "seed" / "dossard-finder-notebook.md").read_text(encoding="utf-8")
    cells = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    scope: dict[str, Any] = dict(names)
    for name in wanted:
        cell = next(cell for cell in cells if re.search(rf"^(def|class) {name}\b", cell, re.MULTILINE))
        exec(cell, scope)
    return scope
