"""A quarter of a processor for everything, then a freeze: nothing is restarted; row 13 of the table of faults."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.sandbox.cgroups import SHARES, Cgroup, cgroup
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import texts
from tests.support.traffic.load import Load

IDLE = {"what": texts(""), "gate": texts("/-")}
PERIOD = 100_000
"""Microseconds: of each the group may use so many as its quota says."""

QUARTER = PERIOD // 4
STARVED = 60.0 if FULL else 8.0
FROZEN = 2.0
FREEZES = 10 if FULL else 3


class Subject:
    """A host in a cgroup, with one model whose four workers are busy and one with idle workers."""

    def __init__(self, host: RunningHost, group: Cgroup, mark: Mark) -> None:
        self.host = host
        self.group = group
        self._mark = mark
        self._before = set(mark.processes())

    def restarts(self) -> int:
        """The number of the first processes that are gone."""
        return len(self._before - set(self._mark.processes()))


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    mark = Mark()
    files = (MODELS / "life.py", MODELS / "gated.py")
    with (
        cgroup(*request.param) as group,
        run_host(*files, options=["--workers=4"], env=mark.env, prefix=group.prefix) as host,
    ):
        host.wait_settled()
        yield Subject(host, group, mark)


def pass_by(seconds: float) -> None:
    """Return when that time has passed."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > until, seconds + 10)


def times_not_ready(host: RunningHost) -> int:
    return host.log.count("pytriton.health: not ready")


@pytest.mark.parametrize("subject", [("cpu", {"cpu.shares": SHARES})], ids=["cpu"], indirect=True)
def test_a_quarter_of_a_processor(subject: Subject) -> None:
    host, group = subject.host, subject.group
    with Load(host, "life", lambda: IDLE) as load:
        wait_until(lambda: len(load.sent) > 100, 30, "the clients are at work")
        before = len(load.sent)
        group.write("cpu.cfs_quota_us", QUARTER)
        pass_by(STARVED)
        answered = len(load.sent) - before
        group.write("cpu.cfs_quota_us", -1)
        eased = time.monotonic()
        back = wait_until(lambda: load.answered_after(eased), 10, "requests are answered")
    assert group.number("cpu.stat", "nr_throttled") > STARVED * 5
    assert answered > 0
    what = f"25 % of a processor for {STARVED:g} s under load"
    figure(13, f"{what}: processes restarted", [subject.restarts()], "", 0)
    figure(13, f"{what}: requests failed", [len(load.failed)], "", 0)
    figure(13, f"{what}: times not ready", [times_not_ready(host)], "", 0)
    figure(13, f"{what}: from its end until a request is answered", [(back or eased) - eased], limit=1.0)


@pytest.mark.parametrize("subject", [("freezer",)], ids=["freezer"], indirect=True)
def test_everything_is_frozen(subject: Subject) -> None:
    host, group = subject.host, subject.group
    back = []
    with Load(host, "life", lambda: IDLE) as load:
        for _ in range(FREEZES):
            began = time.monotonic()
            wait_until(lambda: load.answered_after(began), 10, "requests are answered")  # noqa: B023
            group.write("freezer.state", "FROZEN")
            wait_until(lambda: group.read("freezer.state") == "FROZEN", 20, "all stand still")
            pass_by(FROZEN)
            group.write("freezer.state", "THAWED")
            thawed = time.monotonic()
            answered = wait_until(lambda: load.answered_after(thawed), 10, "requests are answered")  # noqa: B023
            back.append((answered or thawed) - thawed)
    what = f"everything frozen for {FROZEN:g} s under load"
    figure(13, f"{what}: processes restarted", [subject.restarts()], "", 0)
    figure(13, f"{what}: requests failed", [len(load.failed)], "", 0)
    figure(13, f"{what}: times not ready", [times_not_ready(host)], "", 0)
    figure(13, f"{what}: from the thaw until a request is answered", back, limit=1.0)
