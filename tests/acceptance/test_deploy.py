"""What is in deploy/: the unit, the files beside it, and the script that installs them."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bibwatch.config import load_config

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNIT = DEPLOY / "bibwatch.service"
NOBODY = 65534
UNIT_THERE, CONFIG_THERE = "etc/systemd/system/bibwatch.service", "etc/bibwatch/config.yaml"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")


def install(*options: str) -> "subprocess.CompletedProcess[str]":
    command = ["bash", str(DEPLOY / "install.sh"), *options]
    environment = os.environ | {"PYTHON": "python3"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def files_below(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@needs_systemd
def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    # A copy that starts a program which is there: systemd names a missing one, and bibwatch is not installed here.
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={shutil.which('true')}", UNIT.read_text()))
    result = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)


@needs_systemd
def test_the_unit_is_shut_well_but_for_what_reading_needs() -> None:
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(UNIT)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    overall = re.search(r"Overall exposure level for bibwatch.service: ([\d.]+)", result.stdout)
    assert overall, result.stdout + result.stderr
    print(overall[0])
    assert float(overall[1]) < 3.0
    settings = UNIT.read_text().splitlines()
    assert "DeviceAllow=char-nvidia* rw" in settings
    for shuts_too_much in (
        "PrivateDevices=",
        "MemoryDenyWriteExecute=",
        "PrivateNetwork=",
        "SystemCallFilter=~@resources",
    ):
        assert not [line for line in settings if line.startswith(shuts_too_much)]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("systemd-sysusers") is None, reason="needs root and systemd")
def test_systemd_makes_the_user_and_its_folders(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for command in (["systemd-sysusers"], ["systemd-tmpfiles", "--create"]):
        files = DEPLOY / f"{command[0].removeprefix('systemd-')}.conf"
        subprocess.run([*command, f"--root={tmp_path}", str(files)], check=True, capture_output=True)
    [user] = (tmp_path / "etc/passwd").read_text().splitlines()
    assert re.fullmatch(r"bibwatch:x:(\d+):\d+:.*:/:\S*/nologin", user)
    incoming = (tmp_path / "srv/bibwatch/incoming").stat()
    assert (incoming.st_uid, oct(incoming.st_mode)[-4:]) == (int(user.split(":")[2]), "2775")


def test_the_config_that_is_installed_validates() -> None:
    config = load_config(DEPLOY / "config.yaml", need_folders=False)
    assert config.targets is None
    assert [str(folder.path) for folder in config.watch] == ["/srv/bibwatch/incoming"]
    assert str(config.database) == "/var/lib/bibwatch/bibwatch.db"
    assert str(config.links.root) == "/srv/bibwatch/bibs"


def test_a_dry_run_prints_the_commands_and_changes_nothing(tmp_path: Path) -> None:
    result = install("--dry-run", "--prefix", str(tmp_path / "program"))
    assert result.returncode == 0, result.stderr
    assert f"+ python3 -m venv {tmp_path}/program" in result.stdout
    assert "dossard" in result.stdout
    assert "+ systemd-sysusers /etc/sysusers.d/bibwatch.conf" in result.stdout
    assert "dossard" not in install("--dry-run", "--light", "--prefix", str(tmp_path / "program")).stdout
    assert install("--dry-run", "--root", str(tmp_path)).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_installing_twice_is_as_good_as_once_and_keeps_the_config(tmp_path: Path) -> None:
    first = install("--root", str(tmp_path), "--prefix", "/opt/elsewhere")
    assert first.returncode == 0, first.stderr
    files = files_below(tmp_path)
    assert files.keys() == {UNIT_THERE, CONFIG_THERE, "etc/sysusers.d/bibwatch.conf", "etc/tmpfiles.d/bibwatch.conf"}
    assert "ExecStart=/opt/elsewhere/bin/bibwatch run -c /etc/bibwatch/config.yaml\n" in files[UNIT_THERE]
    (tmp_path / CONFIG_THERE).write_text("mine")
    again = install("--root", str(tmp_path))
    assert again.returncode == 0, again.stderr
    assert "kept as it is" in again.stdout
    assert files_below(tmp_path) == files | {CONFIG_THERE: "mine"}


def test_uninstalling_keeps_the_config_and_says_where_things_are(tmp_path: Path) -> None:
    install("--root", str(tmp_path))
    result = install("--root", str(tmp_path), "--uninstall")
    assert result.returncode == 0, result.stderr
    assert files_below(tmp_path).keys() == {CONFIG_THERE}
    for kept in ("etc/bibwatch", "var/lib/bibwatch", "srv/bibwatch"):
        assert str(tmp_path / kept) in result.stdout
    assert install("--root", str(tmp_path), "--uninstall").returncode == 0


def test_uninstalling_removes_no_folder_that_is_not_the_programs(tmp_path: Path) -> None:
    (tmp_path / "opt/mine/bin").mkdir(parents=True)
    (tmp_path / "opt/mine/pyvenv.cfg").touch()
    install("--root", str(tmp_path), "--uninstall", "--prefix", "/opt/mine")
    assert (tmp_path / "opt/mine/pyvenv.cfg").exists()
    (tmp_path / "opt/mine/bin/bibwatch").touch()
    install("--root", str(tmp_path), "--uninstall", "--prefix", "/opt/mine")
    assert not (tmp_path / "opt/mine").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else; the other tests run without it")
def test_only_a_live_install_needs_root() -> None:
    def as_nobody(*options: str) -> "subprocess.CompletedProcess[str]":
        command = ["bash", str(checkout / "deploy/install.sh"), *options]
        return subprocess.run(
            command, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", capture_output=True, text=True, check=False
        )

    with TemporaryDirectory() as name:  # not pytest's own, which nobody else may enter
        checkout = Path(name)
        checkout.chmod(0o755)
        shutil.copytree(DEPLOY, checkout / "deploy")
        (checkout / "root").mkdir()
        os.chown(checkout / "root", NOBODY, NOBODY)
        below = as_nobody("--root", str(checkout / "root"))
        assert below.returncode == 0, below.stderr
        assert (checkout / "root" / UNIT_THERE).exists()
        live = as_nobody()
    assert live.returncode == 1
    assert "needs root" in live.stderr


@pytest.mark.parametrize(
    "options", [["--colour"], ["--root"], ["--root", "/"], ["--prefix", "here"], ["--prefix", "/a b"]]
)
def test_a_misused_option_ends_with_the_usage(options: list[str]) -> None:
    result = install("--dry-run", *options)
    assert result.returncode == 2
    assert options[0] in result.stderr
    assert "Usage: deploy/install.sh" in result.stderr
    assert result.stdout == ""


def test_help_shows_examples() -> None:
    result = install("--help")
    assert result.returncode == 0
    assert "sudo deploy/install.sh --light" in result.stdout
