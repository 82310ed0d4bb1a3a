from pathlib import Path

from bibwatch.service.check import checks


def test_each_thing_to_mend_is_named(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "file").touch()
    config = tmp_path / "config.yaml"
    config.write_text("watch: [{path: incoming}]\ntargets: all\ndatabase: file/x.db\nlinks: {root: file/bibs}\n")
    faults = {name: fault for name, fault in checks(config) if fault}
    assert len(faults) == 2
    assert all("is not a folder" in fault for fault in faults.values())
    config.write_text("watch: [{path: gone}]\ntargets: all\n")
    assert "no such folder" in str(next(iter(checks(config)))[1])
