"""A debugger in a served model: the client's error, the line in the log, and the effect of PYTHONBREAKPOINT."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host
from pytriton_plugins.testing.waiting import wait_until
from tests.support.traffic.clients import attempt

MODEL = """
import pdb
import numpy as np
from pytriton_plugins import Tensor, infer_func

X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))


@infer_func(inputs=[X], outputs=[Y])
def stops(x):
    if x[0, 0] > 0:
        breakpoint()
    return x


@infer_func(inputs=[X], outputs=[Y])
def traces(x):
    if x[0, 0] > 0:
        pdb.set_trace()
    return x
"""

NO_TERMINAL = (
    "a served model has no terminal for a debugger; "
    "run 'pytriton-host debug MODEL NAME=VALUE', or use call_model in a test"
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    path = tmp_path_factory.mktemp("models") / "model.py"
    path.write_text(MODEL)
    with run_host(path) as running:
        yield running


@pytest.mark.parametrize(
    ("model", "error"), [("stops", f"RuntimeError: breakpoint(): {NO_TERMINAL}"), ("traces", f"BdbQuit: {NO_TERMINAL}")]
)
def test_the_request_fails_with_what_to_do(host: RunningHost, model: str, error: str) -> None:
    """A breakpoint without a terminal fails the request; the message names the remedy."""
    one, zero = (np.full((1, 1), value, np.float32) for value in (1, 0))
    assert attempt(host, "grpc", model, {"x": one}).error == error
    assert attempt(host, "http", model, {"x": zero}).error == ""
    line = error if model == "stops" else "bdb.BdbQuit"
    wait_until(lambda: line in host.log, 30, "the log has it")


@pytest.mark.parametrize(
    ("variable", "printed"),
    [("", "RuntimeError"), ("0", ""), ("builtins.print", "7")],
)
def test_pythonbreakpoint_goes_before_it(variable: str, printed: str) -> None:
    """PYTHONBREAKPOINT overrides the refusal, for example with a debugger that listens on a port."""
    program = (
        "from pytriton_plugins.worker.breakpoints import refuse_breakpoints\n"
        "refuse_breakpoints()\n"
        "try:\n    breakpoint(7)\nexcept RuntimeError:\n    print('RuntimeError')\n"
    )
    env = {"PYTHONBREAKPOINT": variable, "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == printed
