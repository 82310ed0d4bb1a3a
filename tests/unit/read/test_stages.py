from bibwatch.read.stages import Stages


def test_seconds_are_counted_by_stage_until_they_are_taken() -> None:
    stages = Stages()
    for stage in ("decode", "detect", "detect"):
        with stages.during(stage):
            pass
    taken = stages.take()
    assert taken.keys() == {"decode", "detect"}
    assert min(taken.values()) > 0
    assert stages.take() == {}
