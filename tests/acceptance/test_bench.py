import json
import os
import struct
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from bibwatch.bench import STAGES, Outcome
from tests.support import BIBWATCH, draw_photo


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*BIBWATCH, "bench", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=280)


@pytest.mark.long
def test_bench_says_how_fast_photos_are_read_and_where_the_time_goes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra train is not installed")
    photos = [str(draw_photo(tmp_path / f"{bib}.jpg", bib, size=(900, 600))) for bib in ("2419", "3071")]
    (tmp_path / "in").mkdir()
    (tmp_path / "config.yaml").write_text("watch: [{path: in}]\ntargets: all\nreader: {workers: 1, effort: fast}\n")
    done = bench(tmp_path, *photos, "--rounds", "2", "--no-notebook", "--json", "--chart", "speed.png")
    assert done.returncode == 0, done.stderr
    assert "round 2 of 2: bibwatch" in done.stderr
    [line] = done.stdout.splitlines()
    told = json.loads(line)
    assert (told["photos"], told["rounds"], told["ratio"]) == (2, 2, None)
    assert told["notebook_ran"] == "not asked for"
    ours = told["ours"]
    assert ours["photos_per_s"] > 0
    assert tuple(ours["stages"]) == STAGES
    assert all(seconds > 0 for stage, seconds in ours["stages"].items() if stage in ("decode", "detect", "recognise"))
    assert ours["drop_to_link_s"]["settle_s"] < ours["drop_to_link_s"]["p50"] <= ours["drop_to_link_s"]["p95"]
    assert (len(ours["memory_mib"]["service"]), len(ours["memory_mib"]["readers"])) == (1, 1)
    assert struct.unpack(">II", (tmp_path / "speed.png").read_bytes()[16:24]) == (990, 396)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "2419.jpg",
        "3071.jpg",
        "config.yaml",
        "in",
        "speed.png",
    ]


@pytest.mark.long
def test_photos_without_bibs_are_measured_and_one_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    blank, plain = tmp_path / "blank.png", draw_photo(tmp_path / "a.jpeg", "2419", size=(900, 600))
    Image.new("RGB", (300, 200), (90, 140, 90)).save(blank)
    arguments = ("--rounds", "1", "--no-notebook", "--json", "--device", "cpu")
    told = json.loads(bench(tmp_path, str(blank), str(plain), *arguments).stdout)
    assert told["ours"]["photos_per_s"] > 0
    assert told["ours"]["drop_to_link_s"]["p50"] > 0
    (tmp_path / "text.jpg").write_text("no picture")
    done = bench(tmp_path, str(plain), str(tmp_path / "text.jpg"), *arguments)
    assert done.returncode == 1
    assert f"{tmp_path / 'text.jpg'}: cannot be read, so leave it out" in done.stderr


def test_told_to_stop_it_leaves_neither_the_service_nor_its_folder(tmp_path: Path) -> None:
    photo = draw_photo(tmp_path / "a.jpg", "2419", size=(900, 600))
    command = [*BIBWATCH, "bench", str(photo), "--rounds", "100", "--no-notebook", "--device", "cpu"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    while "round 1" not in process.stderr.readline():
        pass
    process.terminate()
    assert process.wait(60) == 143
    process.stderr.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_a_config_that_cannot_be_followed_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("watch: [{path: in}]\ntargets: all\nreader: {effort: more}\n")
    done = bench(tmp_path, "--no-notebook")
    assert done.returncode == 2
    assert "reader.effort" in done.stderr


def test_medians_and_shares_are_those_of_the_rounds() -> None:
    drops = [float(number) for number in range(1, 101)]
    told = Outcome(4, ours=[3.0, 1.0, 2.0], notebook=[0.2, 0.5, 0.25], drop_to_link=drops).as_json()
    assert told["ours"]["photos_per_s"] == 2.0
    assert told["notebook"]["photos_per_s"] == 0.25
    assert told["ratio"] == 8.0
    assert (told["ours"]["drop_to_link_s"]["p50"], told["ours"]["drop_to_link_s"]["p95"]) == (50.0, 95.0)
