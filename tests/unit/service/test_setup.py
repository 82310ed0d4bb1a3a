import os
from typing import Any

import pytest

from bibwatch.config import Config
from bibwatch.service import setup
from bibwatch.service.setup import GPU_WORKERS, engine_setup, pool_for, workers_for

CORES = 6


@pytest.fixture(autouse=True)
def _six_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(CORES)))


@pytest.fixture(params=[False, True])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether this machine seems to have a GPU."""
    monkeypatch.setattr(setup, "missing_packages", lambda packages: "")
    monkeypatch.setattr(setup, "may_be_there", lambda: request.param)
    return bool(request.param)


def config(**reader: Any) -> Config:
    return Config.model_validate({"watch": [{"path": "."}], "targets": "all", "reader": reader})


def test_auto_tries_a_gpu_only_where_there_may_be_one(gpu: bool) -> None:
    assert engine_setup(config()).device == ("auto" if gpu else "cpu")
    assert engine_setup(config(device="cpu")).device == "cpu"
    assert engine_setup(config(device="cuda:1")).device == "cuda:1"


def test_there_is_a_child_for_each_core_or_some_for_each_gpu(gpu: bool) -> None:
    of_gpu = min(GPU_WORKERS, CORES)
    assert workers_for(config()) == (of_gpu if gpu else CORES)
    assert workers_for(config(device="cpu")) == CORES
    assert workers_for(config(device="cuda:0,1")) == 2 * of_gpu
    assert workers_for(config(device="cuda", workers=3)) == 3


def test_no_more_children_are_wanted_than_there_are_photos() -> None:
    assert pool_for(config(device="cpu"), "ppocr:1", photos=2).workers == 2


def test_the_effort_reaches_the_engine() -> None:
    assert engine_setup(config(device="cpu", effort="thorough")).effort == "thorough"
