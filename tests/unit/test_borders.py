"""Who may import whom, and where each library lives."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "bibwatch"
MODULES = sorted(PACKAGE.rglob("*.py"))

SHARED_WORDS = {"values", "errors"}
MAY_IMPORT = {
    "values": set(),
    "errors": set(),
    "config": SHARED_WORDS | {"mounts"},
    "watch": SHARED_WORDS | {"mounts"},
    "store": SHARED_WORDS,
    "read": SHARED_WORDS | {"children"},
    "match": SHARED_WORDS,
    "link": SHARED_WORDS,
    "draw": SHARED_WORDS,
    "systemd": SHARED_WORDS,
    "mounts": SHARED_WORDS,
    "log": SHARED_WORDS,
    "files": SHARED_WORDS,
    "labels": SHARED_WORDS,
    "train": SHARED_WORDS | {"files", "read"},
    "evaluate": SHARED_WORDS | {"read", "match"},
    "children": SHARED_WORDS,
    "web": SHARED_WORDS | {"store", "match", "children"},
    "running": SHARED_WORDS,
    "demo": SHARED_WORDS | {"config", "draw", "running", "service"},
    "bench": SHARED_WORDS | {"config", "draw", "running", "service"},
    "service": SHARED_WORDS
    | {
        "config",
        "watch",
        "store",
        "read",
        "match",
        "link",
        "systemd",
        "files",
        "labels",
        "log",
        "mounts",
        "web",
        "children",
    },
}
LIVES_IN = {
    "watchdog": ("watch/watches.py",),
    "sqlite3": ("store/",),
    "sqlite_utils": ("store/",),
    "yaml": ("config/document.py", "demo.py", "bench.py"),
    "pydantic": ("config/",),
    "onnxruntime": ("read/ppocr/on_cpu.py", "read/ppocr/graph.py", "train/quantise/"),
    "rapidocr": ("read/ppocr/lines.py",),
    "onnx": ("read/ppocr/on_gpu.py", "read/ppocr/graph.py", "train/quantise/", "train/spotter/export.py"),
    "onnx2torch": ("read/ppocr/on_gpu.py",),
    "torch": (
        "read/dossard/",
        "read/gpu.py",
        "read/ppocr/on_gpu.py",
        "read/ppocr/gpu_pixels.py",
        "evaluate/notebook.py",
        "train/",
    ),
    "easyocr": ("read/dossard/",),
    "systemd": ("systemd.py",),
    "click": ("cli/",),
    "torchvision": ("read/dossard/", "read/ppocr/gpu_pixels.py", "train/"),
    "torchmetrics": ("train/",),
    "matplotlib": ("train/", "evaluate/chart.py"),
    "prometheus_client": ("service/metrics.py",),
    "starlette": ("web/",),
    "uvicorn": ("web/serve.py",),
    "jinja2": ("web/render.py",),
}


def imports_of(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "bibwatch":
                yield from (f"bibwatch.{name.name}" for name in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_a_module_imports_only_the_rooms_it_may(module: Path) -> None:
    allowed = MAY_IMPORT.get(room_of(module))
    rooms = {name.split(".")[1] for name in imports_of(module) if name.startswith("bibwatch.")}
    if allowed is not None:
        assert rooms <= allowed | {room_of(module)}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_a_library_is_imported_only_where_it_lives(module: Path) -> None:
    place = str(module.relative_to(PACKAGE))
    for name in imports_of(module):
        homes = LIVES_IN.get(name.split(".")[0])
        assert homes is None or place.startswith(homes), f"{place} imports {name}"
