"""A stop while something hangs or waits: the host ends in time, and requests that can be answered are answered."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.leftovers import freeze, tritonserver
from tests.support.sandbox.stops import SOON, stopped
from tests.support.traffic.clients import Crowd, queued

LIFE = MODELS / "life.py"

HANGS = """
    import threading
    from pytriton_plugins import hookimpl

    @hookimpl
    def pytriton_check_readiness(host):
        threading.Event().wait()
"""


def test_a_readiness_check_that_hangs_holds_nothing_up(tmp_path: Path, usual_stop: float) -> None:
    """A readiness check that hangs does not delay the stop."""
    install(tmp_path, "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard=HANGS)
    with run_host(LIFE, env={"PYTHONPATH": path_with(tmp_path)}, ready=False) as host:
        wait_until(lambda: "health checks take longer" in host.log, 30, "the check hangs")
        assert stopped(host) < usual_stop + SOON


@pytest.mark.parametrize("signals", [1, 2])
def test_a_tritonserver_that_does_not_answer_is_not_waited_for(signals: int, usual_stop: float) -> None:
    """A frozen tritonserver does not delay the stop."""
    with run_host(LIFE, drain_timeout=1 if signals == 1 else 30) as host:
        freeze(tritonserver(host))
        if signals == 2:
            host.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "stopping" in host.log, what="the first signal is seen")
        assert stopped(host) < usual_stop + SOON


LATE = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

@infer_func(
    inputs=[Tensor("x", np.int32, (1,))],
    outputs=[Tensor("y", np.int32, (1,))],
    max_batch_size=8,
    triton_config={"dynamic_batching": {"preferred_batch_size": [8], "max_queue_delay_microseconds": 5000000}},
)
def late(x):
    return x
"""


def test_requests_that_wait_for_their_batch_are_answered_before_the_end(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(LATE)
    with run_host(tmp_path / "late.py", drain_timeout=30) as host, Crowd(host, 1) as crowd:
        held = crowd.send("late", {"x": np.array([[7]], np.int32)})
        wait_until(lambda: queued(host, "late") == 1, what="the request waits in Triton's queue")
        host.process.send_signal(signal.SIGTERM)
        assert held.result().error == ""
        assert host.process.wait(60) == 0


BREAKS = """
    from pytriton_plugins import hookimpl
    from pytriton_plugins.values import Verdict

    class Odd(Verdict):
        made = False

        def __getattribute__(self, name):
            if Odd.made:
                raise RuntimeError("an answer that cannot be read")
            return super().__getattribute__(name)

    @hookimpl
    def pytriton_check_readiness(host):
        Odd.made = False
        verdict = Odd(True)
        Odd.made = True
        return verdict
"""


def test_a_host_whose_readiness_task_fails_ends(tmp_path: Path) -> None:
    """If the readiness task ends with an error, the host ends."""
    install(tmp_path, "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard=BREAKS)
    with run_host(LIFE, env={"PYTHONPATH": path_with(tmp_path)}, ready=False) as host:
        assert host.process.wait(60) == 1
        assert "an answer that cannot be read" in host.log
