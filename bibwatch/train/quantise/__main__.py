"""Make one of the embedded networks in eight-bit numbers, as it is shipped beside the engine.

    python -m bibwatch.train.quantise detector PHOTOS/*.jpg
    python -m bibwatch.train.quantise recogniser PHOTOS/*.jpg

The photos are of races, and not those that the result is measured on.
"""

import argparse
from pathlib import Path

from bibwatch.files import whole_file
from bibwatch.read.ppocr import models
from bibwatch.train.quantise.detector import detector_in_bytes
from bibwatch.train.quantise.recogniser import recogniser_in_bytes

NETWORKS = {
    "detector": (detector_in_bytes, models.SMALL_DETECTOR),
    "recogniser": (recogniser_in_bytes, models.SMALL_RECOGNISER),
}


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, help="write it here")
    wish = parser.parse_args()
    make, place = NETWORKS[wish.network]
    made = make(sorted(wish.photos)).SerializeToString()
    with whole_file(wish.out or place) as file:
        file.write(made)


if __name__ == "__main__":
    main()
