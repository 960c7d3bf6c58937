"""Sequences whose worker is killed or replaced, whose server ends, and that are live when the daemon stops."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import tritonserver
from tests.support.traffic.scrape import value, workers
from tests.support.traffic.sequences import SequenceClient, Summed

SUMMED = MODELS / "sequences.py"
LOST = "model summed: the state of sequence {} is lost: its worker {}; start it again (sequence_start)"
RELOADED = """
import os
import numpy as np
from pytriton_plugins import Context, Sequence, Tensor, infer_func

@infer_func(
    inputs=[Tensor("x", np.int64, (1,))],
    outputs=[Tensor(name, np.int64, (1,)) for name in ("sum", "pid", "batch")],
    sequence=Sequence(),
)
def summed(x, ctx: Context):
    state = ctx.sequence.state
    state["sum"] = state.get("sum", 0) + int(x[0, 0])
    return tuple(np.full((1, 1), number) for number in (state["sum"], os.getpid(), {generation}))
"""


def test_a_killed_worker_loses_its_sequences_and_no_others() -> None:
    with run_host(SUMMED) as host, SequenceClient(host) as client:
        pids = [client.send(sequence, sequence, start=True).pid for sequence in range(1, 9)]
        os.kill(pids[0], signal.SIGKILL)
        wait_until(lambda: "lost" in client.send(1, 1).error, what="the backend knows")
        for sequence, pid in enumerate(pids, 1):
            answer = client.send(sequence, 1)
            lost = LOST.format(sequence, "ended")
            assert answer.error == lost if pid == pids[0] else answer.sum == sequence + 1
        assert value(host.metrics, "pytriton_live_sequences", model="summed", version="1") == 4
        assert [client.send(1, x, start=x == 5).sum for x in (5, 6)] == [5, 11]
        assert client.send(1, 1, end=True).sum == 12


def test_a_worker_that_ends_during_a_request_of_a_sequence(tmp_path: Path) -> None:
    code = RELOADED.format(generation=1).replace("    state = ", "    if x[0, 0] == 13: os._exit(1)\n    state = ")
    (tmp_path / "dying.py").write_text(code)
    with run_host(tmp_path / "dying.py") as host, SequenceClient(host) as client:
        assert client.send("a", 1, start=True).sum == 1
        assert client.send("a", 13).error == "model summed: its worker ended while it ran this request"
        assert client.send("a", 1, end=True).error == LOST.format("a", "ended")
        assert client.send("a", 2, start=True).sum == 2


def test_the_server_ends_in_the_middle_of_a_sequence() -> None:
    """The next server knows no sequences: their requests are refused until they start again."""
    with run_host(SUMMED) as host:
        with SequenceClient(host) as client:
            assert client.send(1, 1, start=True).sum == 1
        old = tritonserver(host)
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: _other_server(host, old), what="another server is ready")
        with SequenceClient(host) as client:
            assert "must specify the START flag" in client.send(1, 1).error
            assert [client.send(1, 2, start=start).sum for start in (True, False)] == [2, 4]


def _other_server(host: RunningHost, old: int) -> bool:
    try:
        return tritonserver(host) != old and host.status("/v2/health/ready") == 200
    except ValueError:
        return False


def test_a_reload_leaves_live_sequences_with_the_old_worker(tmp_path: Path) -> None:
    """Until their end, or for the drain timeout; new ones start in the new worker."""
    (tmp_path / "summed.py").write_text(RELOADED.format(generation=1))
    with (
        run_host(tmp_path / "summed.py", options=["--reload"], drain_timeout=30) as host,
        SequenceClient(host) as client,
    ):
        old = client.send(1, 1, start=True).pid
        (tmp_path / "summed.py").write_text(RELOADED.format(generation=2))
        new = _started_by(client, lambda answer: answer.batch == 2)
        assert new.pid != old
        assert [client.send(1, 1), client.send(1, 1, end=True)] == [Summed(2, old, 1), Summed(3, old, 1)]
        wait_until(lambda: not Path(f"/proc/{old}").exists(), what="the old worker ends")
        wait_until(lambda: workers(host.metrics, "summed") == 1, what="one worker is counted")
        assert client.send(1, 1, start=True).pid == new.pid


def test_a_sequence_is_told_when_the_drain_is_over(tmp_path: Path) -> None:
    (tmp_path / "summed.py").write_text(RELOADED.format(generation=1))
    with (
        run_host(tmp_path / "summed.py", options=["--reload"], drain_timeout=0.5) as host,
        SequenceClient(host) as client,
    ):
        client.send(1, 1, start=True)
        (tmp_path / "summed.py").write_text(RELOADED.format(generation=2))
        _started_by(client, lambda answer: answer.batch == 2)
        answer = wait_until(lambda: _failed(client.send(1, 1)), what="the drain is over")
        assert answer is not None
        assert answer.error == LOST.format(1, "was replaced")


def _failed(answer: Summed) -> Summed | None:
    return answer if answer.error else None


def _started_by(client: SequenceClient, wanted: Callable[[Summed], bool]) -> Summed:
    """The answer to a sequence of one request, once it is ``wanted``."""

    def send() -> Summed | None:
        answer = client.send(99, 1, start=True, end=True)
        return answer if wanted(answer) else None

    answer = wait_until(send, 60, "an answer is as wanted")
    assert answer is not None
    return answer


@pytest.mark.parametrize("ends", [True, False])
def test_a_stop_waits_for_live_sequences(ends: bool) -> None:
    """Within the drain."""
    with run_host(SUMMED, drain_timeout=30 if ends else 0.5) as host, SequenceClient(host) as client:
        client.send(1, 1, start=True)
        host.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "waiting for 1 live sequence in flight, " in host.log, what="the log says so")
        if ends:
            assert client.send(1, 1, end=True).sum == 2
        assert host.process.wait(20) == 0
        assert ("1 live sequence in flight fails" in host.log) is not ends
