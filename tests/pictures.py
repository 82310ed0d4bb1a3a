"""The README's pictures, from those that the tests took of the page: small files, for everybody who clones."""

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PICTURES = {"now-wide-light": "page-now", "photo-wide-dark": "page-photo"}
WIDTH, COLOURS = 960, 96


def main() -> None:
    for taken, kept in PICTURES.items():
        with Image.open(ROOT / "build" / "page" / f"{taken}.png") as picture:
            size = (WIDTH, round(picture.height * WIDTH / picture.width))
            small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).quantize(COLOURS)
        path = ROOT / "docs" / f"{kept}.png"
        small.save(path, optimize=True)
        print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
