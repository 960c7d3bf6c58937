"""Models that attack their worker in every way that a model can, each beside a good one; row 19 of the table."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.adversaries.hostile_cases import FILES
from tests.support.adversaries.hostile_models import Hostile
from tests.support.measure.figures import figure
from tests.support.measure.growth import Holding, holding
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark, ports_taken, shared_memory, tritonserver
from tests.support.traffic.clients import PROTOCOLS, Arrays
from tests.support.traffic.load import Load

pytestmark = pytest.mark.counted

GOOD = f"{MODELS / 'forms.py'}:doubled"
ASKED: Arrays = {"x": np.array([[1, 3]], np.float32)}
DAEMONS = (
    ("processes", "prints"),
    ("signals", "descriptors"),
    ("raises", "broken", "loops", "lives"),
    ("arrays", "deleted"),
    ("surroundings", "streams"),
)


def held(host: RunningHost) -> dict[str, Holding]:
    return {"daemon": holding(host.process.pid, 0), "tritonserver": holding(tritonserver(host), 0)}


def more(first: dict[str, Holding], last: dict[str, Holding], what: str) -> int:
    """The growth of a resource of the daemon or tritonserver, whichever is larger."""
    return max(int(getattr(last[name], what) - getattr(each, what)) for name, each in first.items())


def level(host: RunningHost, first: dict[str, Holding]) -> dict[str, Holding]:
    """The resources in use, once there are no more descriptors and segments than at ``first``."""

    def look() -> dict[str, Holding] | None:
        now = held(host)
        return now if more(first, now, "descriptors") <= 0 and more(first, now, "segments") <= 0 else None

    return wait_until(look, what="no more descriptors and segments than after the first round") or {}


@pytest.mark.parametrize("files", DAEMONS, ids="-".join)
def test_hostile_models_beside_a_good_one(tmp_path: Path, files: tuple[str, ...]) -> None:
    """Once over each protocol."""
    copies = shutil.copytree(MODELS / "hostile_models", tmp_path / "models")
    mark, run = Mark(), tmp_path / "run"
    targets = [copies / f"{file}.py" for file in files]
    with run_host(*targets, GOOD, options=[f"--run-dir={run}"], env=mark.env) as host:
        hostile = Hostile(host, files)
        assert hostile.served() == {"doubled", *(name for file in files for name in FILES[file])}
        with Load(host, "doubled", lambda: ASKED, clients=4, pause=0.02, right=is_doubled) as good:
            for protocol in PROTOCOLS:
                hostile.honest(protocol)
            hostile.round("grpc")
            first = held(host)
            hostile.round("http")
            last = level(host, first)
        assert hostile.wrong == []
        assert good.failed == []
        assert host.status("/v2/health/ready") == 200
        assert host.stop() == 0
        assert own_mistakes(host.log) == []
    names = [name for name in shared_memory() if name.startswith(tuple(mark.env.values()))]
    assert [*mark.processes().values(), *names, *run.iterdir(), *ports_taken(host)] == []
    figure(19, f"{', '.join(files)}: what the second round costs", [more(first, last, "memory") / 1e6], "MB", 8)


def is_doubled(inputs: Arrays, result: Any) -> bool:
    return bool(result.as_numpy("y").tolist() == [[2, 6]])


def own_mistakes(log: str) -> list[str]:
    """The daemon's log lines about internal errors."""
    return [
        line
        for line in log.splitlines()
        if re.search(r"^\S+ \S+ \S+ +(asyncio|pytriton\.(?!worker))\S*: .*(Traceback|Exception|never retrieved)", line)
    ]
