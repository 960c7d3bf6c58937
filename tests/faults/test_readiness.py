"""Answers of /v2/health/live and /v2/health/ready from the first one on."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.traffic.clients import infer, texts

SCALARS = f"{MODELS / 'kinds.py'}:scalars"
GUARD = "hook plugin guard (acme-guard 1.0)"
READY = "INFO    pytriton.health: ready"
HOOK = """
    import os
    from pathlib import Path

    from pytriton_plugins import hookimpl
    from pytriton_plugins.values import Verdict

    @hookimpl
    def pytriton_check_readiness(host):
        content = Path(os.environ["VERDICT"]).read_text()
        if content == "hang":
            Path(os.environ["VERDICT"] + ".fifo").read_bytes()
        if content == "raise":
            raise OSError("the disk is gone")
        return None if content == "ok" else Verdict(content == "yes", "the file says " + content)
"""


def polled(host: RunningHost, until: Callable[[], bool]) -> Iterator[tuple[int, int]]:
    """Live and ready, polled for a minute at most."""
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        yield host.status("/v2/health/live"), host.status("/v2/health/ready")


def changes(seen: list[int]) -> list[int]:
    """The statuses without repetitions; 0 (no answer) only counts after the first answer."""
    return [status for status, _ in itertools.groupby(itertools.dropwhile(lambda status: status == 0, seen))]


def test_live_at_once_and_ready_when_every_model_serves(tmp_path: Path) -> None:
    gate = tmp_path / "import"
    os.mkfifo(gate)
    env = {"LIFE_AT_IMPORT": "block", "LIFE_GATE": str(gate)}
    with run_host(SCALARS, MODELS / "life.py", env=env, ready=False) as host:
        seen = list(polled(host, lambda: host.status("/v2/models/scalars/ready") == 200))
        seen += itertools.islice(polled(host, lambda: False), 100)
        assert host.status("/v2/models/life/ready") == 400
        gate.write_bytes(b"")
        seen += polled(host, lambda: seen[-1][1] == 200)
        # Ready now, so both models answer now.
        assert infer(host, "http", "scalars", {"x": np.array([[2.0]])})["product"].tolist() == [[20.0]]
        assert infer(host, "grpc", "life", {"what": texts(""), "gate": texts("/-")})["pid"].item() > 1
        seen += itertools.islice(polled(host, lambda: False), 100)
    assert changes([live for live, _ in seen]) == [200]
    assert changes([ready for _, ready in seen]) == [400, 200]


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningHost, Path]]:
    """A host with a hook plugin, and the file with the plugin's verdict."""
    folder = tmp_path_factory.mktemp("hook")
    install(folder, "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard=HOOK)
    file = folder / "verdict"
    file.write_text("ok")
    os.mkfifo(folder / "verdict.fifo")
    with run_host(SCALARS, env={"PYTHONPATH": path_with(folder), "VERDICT": str(file)}) as host:
        yield host, file


@pytest.mark.parametrize(
    ("verdict_text", "reason"),
    [
        ("no", "guard (acme-guard 1.0): the file says no"),
        ("raise", "guard (acme-guard 1.0): pytriton_check_readiness raised OSError: the disk is gone"),
        ("hang", f"health checks take longer than 0.5 s; the slowest: {GUARD}: pytriton_check_readiness"),
    ],
)
def test_a_hook_holds_readiness_back(verdict: tuple[RunningHost, Path], verdict_text: str, reason: str) -> None:
    """How soon it does stands in the table of faults, row 11."""
    host, file = verdict
    assert host.status("/v2/health/ready") == 200
    replace(file, verdict_text)
    wait_until(lambda: host.status("/v2/health/ready") == 400, what="not ready")
    assert host.status("/v2/health/live") == 200
    wait_until(lambda: f"not ready: {reason}" in host.log, what="the log says why")
    assert infer(host, "grpc", "scalars", {"x": np.array([[2.0]])})["product"].tolist() == [[20.0]]
    before = host.log.count(READY)
    replace(file, "yes")
    if verdict_text == "hang":
        file.with_suffix(".fifo").write_bytes(b"")
    wait_until(lambda: host.status("/v2/health/ready") == 200, what="ready again")
    wait_until(lambda: host.log.count(READY) > before, what="the log says that too")
    if verdict_text == "hang":
        warning = (
            r"hook plugin guard \(acme-guard 1\.0\): pytriton_check_readiness took \d+\.\d s; the health checks of all"
        )
        wait_until(lambda: re.search(warning, host.log), what="the log names the slowest check")
        assert len(re.findall(warning, host.log)) == 1


def replace(file: Path, content: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(content)
    new.rename(file)


def test_a_hook_that_says_no_from_the_start(tmp_path: Path) -> None:
    install(tmp_path, "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard=HOOK)
    file = tmp_path / "verdict"
    file.write_text("no")
    with run_host(SCALARS, env={"PYTHONPATH": path_with(tmp_path), "VERDICT": str(file)}, ready=False) as host:
        wait_until(lambda: host.status("/v2/models/scalars/ready") == 200, 30, "the model serves")
        assert {ready for _, ready in itertools.islice(polled(host, lambda: False), 100)} == {400}
        replace(file, "yes")
        host.wait_ready()


def test_without_a_live_worker_for_half_a_second_not_ready(tmp_path: Path) -> None:
    """The worker is killed, and the test holds the import of the next one."""
    gate = tmp_path / "import"
    os.mkfifo(gate)
    model = tmp_path / "dies_once.py"
    model.write_text(DIES_ONCE)
    with run_host(model, env={"GATE": str(gate), "FIRST": str(tmp_path / "first")}) as host:
        assert host.status("/v2/health/ready") == 200
        died = time.monotonic()
        os.kill(int((tmp_path / "first").read_text()), 9)
        wait_until(lambda: host.status("/v2/health/ready") == 400, what="not ready")
        assert time.monotonic() - died > 0.5, "a worker that comes back at once keeps the host ready"
        wait_until(lambda: "model dies_once: it has no live worker" in host.log, 10, "the log says why")
        gate.write_bytes(b"")
        wait_until(lambda: host.status("/v2/health/ready") == 200, what="ready again")


DIES_ONCE = """
import os
from pathlib import Path
import numpy as np
from pytriton_plugins import Tensor, infer_func

first = Path(os.environ["FIRST"])
if first.exists():
    Path(os.environ["GATE"]).read_bytes()
first.write_text(str(os.getpid()))

@infer_func(inputs=[Tensor("x", np.int32, (1,))], outputs=[Tensor("y", np.int32, (1,))])
def dies_once(x):
    return x
"""
