import os
from pathlib import Path

import pytest

from bibwatch.config import Config, find_database, load_config
from bibwatch.errors import ConfigError

EXAMPLE = Path(__file__).resolve().parents[3] / "config.example.yaml"
GOOD = "watch:\n  - path: incoming\ntargets: [2419]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "incoming").mkdir()
    return tmp_path


def load(folder: Path, text: str, **kwargs: object) -> Config:
    path = folder / "config.yaml"
    path.write_text(text)
    return load_config(path, **kwargs)  # type: ignore[arg-type]


def problems(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return caught.value.problems


def test_the_example_is_valid_and_states_the_defaults(folder: Path) -> None:
    assert load(folder, EXAMPLE.read_text()) == load(folder, GOOD.replace("2419", "2419, 2420"))


def test_paths_are_relative_to_the_config_file(folder: Path) -> None:
    config = load(folder, GOOD)
    assert config.watch[0].path == folder / "incoming"
    assert (config.database, config.links.root) == (folder / "bibwatch.db", folder / "bibs")


def test_bibs_are_text_whatever_yaml_makes_of_them(folder: Path) -> None:
    text = GOOD.replace("[2419]", "[0042, 12:30, 0x1F, 1e3, yes, null_, 2026-11-22, 1_000]")
    expected = ("0042", "12:30", "0x1F", "1e3", "yes", "null_", "2026-11-22", "1_000")
    assert load(folder, text).targets == expected


def test_all_targets_and_switches_are_understood(folder: Path) -> None:
    config = load(folder, "watch: [{path: incoming, recursive: no, poll_s: 5}]\ntargets: all\n")
    assert config.targets is None
    assert (config.watch[0].recursive, config.watch[0].poll_s) == (False, 5.0)


def test_every_problem_is_reported_at_once_with_its_line(folder: Path) -> None:
    found = problems(
        folder,
        "watch:\n"
        "  - path: incoming\n"
        "    recursiv: yes\n"
        "  - path: nowhere\n"
        "targets: [1]\n"
        "targets: [2]\n"
        "links:\n"
        "  root: incoming/bibs\n"
        "  mode: hard\n"
        "photos:\n"
        "  settle_s: -1\n",
    )
    for part in (
        "line 3: watch[0].recursiv: no such key; did you mean recursive?",
        "nowhere: no such folder",
        "line 6: targets: written twice, first in line 5",
        "line 8: links.root:",
        "line 9: links.mode:",
        "line 11: photos.settle_s:",
    ):
        assert any(part in problem for problem in found), (part, found)
    assert len(found) == 6


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("watch: [\n", "line 2, column 1: not valid YAML"),
        ("- a\n", "a config is made of"),
        ("", "watch: this key is needed"),
        (GOOD.replace("[2419]", "2419"), 'write a list, such as ["2419"]'),
        (GOOD.replace("[2419]", ""), "or the word all"),
        (GOOD.replace("[2419]", "[a/b]"), "is no bib"),
        (GOOD.replace("[2419]", "['..']"), "is no bib"),
        (GOOD + "links: {folder: bibs}\n", "write {bib} once"),
        (GOOD + "links: {folder: '{bib}/x'}\n", "no slash"),
        (GOOD + "links: {root: .}\n", "lie one inside the other"),
        (GOOD + "reader: {engine: dossard}\n", "engine dossard needs the file with your fine-tuned weights"),
        (GOOD + "reader: {dossard: {weights: none.pt}}\n", "line 4: reader.dossard.weights: "),
        (GOOD + "reader: {timeout_s: soon}\n", "timeout_s"),
        (GOOD + "reader: {dossard: {certain_score: 2}}\n", "certain_score"),
        (GOOD + "reader: {device: 'cuda:'}\n", "reader.device"),
        (GOOD + "reader: {effort: more}\n", "reader.effort"),
        (GOOD + "reader: {device: 'cuda:0,1', workers: 1}\n", "2 GPUs need as many"),
        (GOOD + "start_list: list.csv\n", "list.csv: no such file"),
        (GOOD + "links: {folder: '{bib}_{name}'}\n", "names come from a start list"),
        (GOOD + "bibs: {format: '[A-D'}\n", "bibs.format: not a regular expression"),
        (GOOD + "bibs: {format: 'a{99999999999999}'}\n", "bibs.format: not a regular expression"),
        (GOOD + f"bibs: {{format: '{'(' * 5000}'}}\n", "bibs.format: not a regular expression"),
        (GOOD + "links: {folder: '{bib}{bib!r}'}\n", "write {bib} once"),
        (GOOD + "bibs: {min_digits: 4, max_digits: 3}\n", "min_digits 4 is more than max_digits 3"),
        (GOOD + "match: {accept: 90}\n", "match.accept"),
        ("watch: [{path: incoming}, {path: incoming/x}]\ntargets: all\n", "no such folder"),
        ("watch: [{path: incoming}, {path: ./incoming}]\ntargets: all\n", "watched twice"),
        ("watch: [{path: config.yaml}]\ntargets: all\n", "not a folder"),
    ],
)
def test_a_bad_config_says_what_is_wrong(folder: Path, text: str, part: str) -> None:
    assert part in "\n".join(problems(folder, text))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("watch: &a [*a]\ntargets: all\n", "holds itself"),
        ("watch: " + "[" * 3000 + "]" * 3000, "not valid YAML"),
        ("watch: [{path: ~nobody-of-that-name/x}]\ntargets: all\n", "cannot be followed"),
        ('watch: [{path: "a\\0b"}]\ntargets: all\n', "cannot be followed"),
        (GOOD + "database: incoming/x.db\n", "only ever read"),
        (GOOD + "database: incoming\n", "a folder"),
        (GOOD + "database: bibs/x.db\n", "inside the link root"),
        (GOOD + "links: {root: config.yaml}\n", "not a folder"),
        (GOOD + "links: {folder: '{bib:.2}'}\n", "write {bib} once"),
        (GOOD + "links: {folder: '{bib!r}'}\n", "write {bib} once"),
        (GOOD + "photos: {extensions: ['*.jpg']}\n", "is no extension"),
        (GOOD + "photos: {rescan_s: 1e10}\n", "less than or equal to 86400"),
        (GOOD.replace("[2419]", "['.hidden']"), "is no bib"),
        (GOOD.replace("2419", "9" * 300), "is no bib"),
    ],
)
def test_values_that_would_hurt_later_are_refused_now(folder: Path, text: str, part: str) -> None:
    assert part in "\n".join(problems(folder, text))


def test_auto_is_dossard_where_weights_are_set_and_its_paths_are_relative_to_the_config(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bibwatch.config.faults.DOSSARD_PACKAGES", ())
    (folder / "mine.pt").touch()
    reader = load(folder, GOOD + "reader: {device: cuda:1, dossard: {weights: mine.pt, easyocr_models: x}}\n").reader
    assert reader.uses_dossard
    assert (reader.dossard.weights, reader.dossard.easyocr_models) == (folder / "mine.pt", folder / "x")
    assert not load(folder, GOOD + "reader: {engine: ppocr, dossard: {weights: mine.pt}}\n").reader.uses_dossard


def test_several_gpus_and_an_effort_may_be_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bibwatch.config.faults.GPU_PACKAGES", ())
    reader = load(folder, GOOD + "reader: {device: 'cuda:0,2', effort: thorough}\n").reader
    assert (reader.device, reader.effort) == ("cuda:0,2", "thorough")
    assert load(folder, GOOD).reader.effort == "balanced"


def test_without_the_extra_a_gpu_asked_for_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bibwatch.config.faults.GPU_PACKAGES", ("torch_of_nobody",))
    with pytest.raises(ConfigError) as error:
        load(folder, GOOD + "reader: {device: cuda}\n")
    [problem] = error.value.problems
    assert "needs torch_of_nobody on a GPU" in problem
    assert "bibwatch[gpu]" in problem
    assert load(folder, GOOD + "reader: {device: auto}\n").reader.device == "auto"


def test_without_the_extra_engine_dossard_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bibwatch.config.faults.DOSSARD_PACKAGES", ("torch_of_nobody",))
    (folder / "mine.pt").touch()
    [problem] = problems(folder, GOOD + "reader: {engine: dossard, dossard: {weights: mine.pt}}\n")
    assert "line 4: reader.engine: engine dossard needs torch_of_nobody" in problem
    assert "pip install 'bibwatch[dossard]'" in problem


def test_questions_to_the_database_need_neither_folders_nor_weights(folder: Path) -> None:
    (folder / "incoming").rmdir()
    config = load(
        folder, GOOD + "reader: {dossard: {weights: unplugged/mine.pt}}\n", need_folders=False, need_engine=False
    )
    assert config.reader.uses_dossard


def test_weights_that_cannot_be_read_are_named_with_their_line(folder: Path) -> None:
    (folder / "incoming" / "mine.pt").mkdir()
    for name, part in (("incoming/mine.pt", "not a file"), ("n" * 300, "cannot be looked at: File name too long")):
        found = problems(folder, GOOD + f"reader:\n  dossard:\n    weights: {name}\n")
        assert any("line 6: reader.dossard.weights: " in problem and part in problem for problem in found), found


def test_the_database_is_found_whatever_else_is_broken(folder: Path) -> None:
    path = folder / "config.yaml"
    for text in ("database: 'state/x.db'  # here\nwatch: [\n", GOOD + "database: state/x.db\ncolour: blue\n"):
        path.write_text(text)
        database, found = find_database(path)
        assert database == folder / "state" / "x.db"
        assert found
    path.write_text(GOOD)
    assert find_database(path) == (folder / "bibwatch.db", [])
    path.unlink()
    assert find_database(path)[0] == folder / "bibwatch.db"


def test_one_watched_folder_inside_another_is_refused(folder: Path) -> None:
    (folder / "incoming" / "cam1").mkdir()
    text = "watch: [{path: incoming}, {path: incoming/cam1}]\ntargets: all\n"
    assert "lies inside" in problems(folder, text)[0]
    assert load(folder, text.replace("path: incoming}", "path: incoming, recursive: false}", 1))


def test_a_missing_or_unreadable_config_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such config file"):
        load_config(tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_bytes(b"watch: \xff\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "config.yaml")


def test_a_running_service_keeps_a_folder_that_is_missing_and_its_database(folder: Path) -> None:
    running = load(folder, GOOD)
    (folder / "incoming").rmdir()
    assert load(folder, GOOD, running=running) == running
    with pytest.raises(ConfigError, match="restart it"):
        load(folder, GOOD + "database: other.db\n", running=running)


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ("bibwatch.txt", "end in .prom"),
        ("bibwatch", "end in .prom"),
        ("gone/bibwatch.prom", "name a file in a folder that is there"),
        ("folder.prom", "name a file in a folder that is there"),
        ("config.yaml/bibwatch.prom", "name a file in a folder that is there"),
        ("incoming/bibwatch.prom", "only ever read"),
        ("bibs/../incoming/cam1/bibwatch.prom", "only ever read"),
    ],
)
def test_metrics_where_nobody_would_find_them_or_they_would_do_harm_are_refused(
    folder: Path, place: str, part: str
) -> None:
    (folder / "folder.prom").mkdir()
    [problem] = problems(folder, GOOD + f"metrics: {place}\n")
    assert "line 4: metrics: " in problem
    assert part in problem


def test_metrics_lie_relative_to_the_config_and_are_not_written_unasked(folder: Path) -> None:
    assert load(folder, GOOD + "metrics: bibwatch.prom\n").metrics == folder / "bibwatch.prom"
    assert load(folder, GOOD).metrics is None
    assert load(folder, GOOD + "metrics: null\n").metrics is None


def mount(point: Path, kind: str) -> bytes:
    """The kernel's line for a mount."""
    return b"50 22 0:45 / " + os.fsencode(point).replace(b" ", b"\\040") + f" rw - {kind} share:/race rw\n".encode()


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_database_on_a_network_share_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    listed = b"22 1 254:1 / / rw - ext4 /dev/vda1 rw\n" + mount(folder / "my share", kind)
    monkeypatch.setattr("bibwatch.config.load.mounted", lambda: listed)
    (folder / "my share").mkdir()
    (folder / "link").symlink_to(folder / "my share")
    for place in ("my share/bibwatch.db", "my share/new/folder/bibwatch.db", "link/bibwatch.db"):
        [problem] = problems(folder, GOOD + f"database: {place}\n")
        assert f"line 4: database: {folder / 'my share'}/" in problem
        assert f"network share ({kind})" in problem
    assert load(folder, GOOD + "database: my share 2/bibwatch.db\n").database == folder / "my share 2" / "bibwatch.db"
    assert load(folder, GOOD).database == folder / "bibwatch.db"


def test_photos_and_links_may_lie_on_a_network_share(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = mount(Path("/"), "ext4") + mount(folder / "incoming", "nfs4") + mount(folder / "bibs", "cifs")
    monkeypatch.setattr("bibwatch.config.load.mounted", lambda: listed)
    assert load(folder, GOOD).links.root == folder / "bibs"


def test_a_local_disk_below_a_network_share_may_hold_the_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = mount(Path("/"), "nfs4") + mount(folder / "state", "ext4")
    monkeypatch.setattr("bibwatch.config.load.mounted", lambda: listed)
    assert load(folder, GOOD + "database: state/bibwatch.db\n")
    assert "network share (nfs4)" in problems(folder, GOOD)[0]


def test_the_page_listens_on_this_machine_unless_a_token_guards_it(folder: Path) -> None:
    assert load(folder, GOOD).web is None
    usual = load(folder, GOOD + "web: {}\n").web
    assert usual is not None
    assert (usual.listener, usual.token) == (("127.0.0.1", 8350), None)
    for written, listener in (
        ("localhost:80", ("127.0.0.1", 80)),
        ("'[::1]:8350'", ("::1", 8350)),
        ("127.0.0.9:0", ("127.0.0.9", 0)),
    ):
        web = load(folder, f"{GOOD}web: {{listen: {written}}}\n").web
        assert web is not None
        assert web.listener == listener
    guarded = load(folder, f"{GOOD}web: {{listen: 0.0.0.0:8350, token: {'a' * 16}}}\n").web
    assert guarded is not None
    assert guarded.listener == ("0.0.0.0", 8350)


@pytest.mark.parametrize(
    ("web", "problem"),
    [
        ("{listen: 0.0.0.0:8350}", "listening on 0.0.0.0, which other machines reach, needs a token"),
        ("{listen: 192.168.1.5:8350}", "listening on 192.168.1.5, which other machines reach, needs a token"),
        ("{listen: '[::]:8350'}", "listening on ::, which other machines reach, needs a token"),
        ("{listen: '8350'}", "'8350' is no address with a port"),
        ("{listen: 127.0.0.1:70000}", "'127.0.0.1:70000' is no address with a port"),
        ("{listen: example.com:8350}", "'example.com:8350' is no address with a port"),
        ("{token: short}", "web.token: a token is 16 or more letters and digits"),
        ("{token: 'with a blank and more'}", "web.token: a token is 16 or more letters and digits"),
        ("{tokn: aaaaaaaaaaaaaaaaaaaa}", "web.tokn: no such key; did you mean token?"),
        ("yes", "web: expected keys and values below it"),
    ],
)
def test_a_page_that_cannot_be_or_stands_open_is_a_config_error(folder: Path, web: str, problem: str) -> None:
    assert problem in "\n".join(problems(folder, f"{GOOD}web: {web}\n"))


def test_a_page_without_its_packages_is_a_config_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bibwatch.config.faults.find_spec", lambda name: None if name == "uvicorn" else name)
    text = "web: the page needs uvicorn, not installed here: pip install 'bibwatch[web]'"
    assert text in "\n".join(problems(folder, f"{GOOD}web: {{}}\n"))
