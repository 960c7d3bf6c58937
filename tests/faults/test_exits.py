"""Callables that end by Python's own means: the log's reason for the worker's end, and calls that do not end it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.traffic.clients import PROTOCOLS, attempt, infer
from tests.support.traffic.streams import grpc_stream

EXITS = MODELS / "exits.py"
IN_FLIGHT = "its worker ended while it ran this request"
STREAMS = ("generator", "async_generator")


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    with run_host(EXITS) as running:
        yield running


def ask(host: RunningHost, model: str, what: str) -> tuple[int, str]:
    """The process id of the worker that answered, or the error."""
    inputs = {"what": np.array([what], object)}
    if model in STREAMS:
        values, error = grpc_stream(host, model, inputs, "pid")
        return (values[0][0] if values else 0), error
    answered = attempt(host, "grpc", model, inputs)
    return (answered.outputs["pid"].item() if not answered.error else 0), answered.error


@pytest.mark.parametrize("model", ["function", "threaded", "Class", "generator", "awaited", "async_generator"])
def test_the_log_says_that_the_callable_called_sys_exit(host: RunningHost, model: str) -> None:
    pid, _ = ask(host, model, "")
    assert ask(host, model, "5") == (0, f"model {model}: {IN_FLIGHT}")
    message = (
        f"model {model}: its worker {pid} ended with exit code 5: its callable called sys.exit(5); starting another"
    )
    own = f"model {model}: its callable called sys.exit(5); this worker ends"
    wait_until(lambda: message in host.log and own in host.log, what="the log says how the worker ended")
    assert ask(host, model, "")[0] not in (0, pid)


@pytest.mark.parametrize(
    ("model", "what", "end"),
    [
        ("Class", "none", "exit code 0: its callable called sys.exit()"),
        ("generator", "text", r"exit code 1: its callable called sys.exit('no disk\nleft')"),
        ("function", "interrupt", "exit code 130: its callable raised KeyboardInterrupt"),
        ("threaded", "none", "exit code 0: its callable called sys.exit()"),
        ("async_generator", "interrupt", "exit code 130: its callable raised KeyboardInterrupt"),
        ("awaited", "interrupt", "exit code 130: its callable raised KeyboardInterrupt"),
    ],
)
def test_the_log_says_how_it_was_called(host: RunningHost, model: str, what: str, end: str) -> None:
    pid, _ = ask(host, model, "")
    assert ask(host, model, what) == (0, f"model {model}: {IN_FLIGHT}")
    wait_until(lambda: f"its worker {pid} ended with {end}; starting another" in host.log, what="the log says how")


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("panic", "Panic: at the disco"),
        ("generator", "GeneratorExit"),
        ("cancelled", "CancelledError: all of it"),
    ],
)
@pytest.mark.parametrize("model", ["function", "generator"])
def test_other_exceptions_beyond_exception_end_nothing(host: RunningHost, model: str, what: str, told: str) -> None:
    """Other subclasses of BaseException do not end the worker."""
    pid, _ = ask(host, model, "")
    assert told in ask(host, model, what)[1]
    assert ask(host, model, "")[0] == pid


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("model", ["function", "awaited"])
def test_a_long_text_that_is_not_ascii_reaches_clients(host: RunningHost, model: str, protocol: str) -> None:
    """gRPC sends the text in a trailer of 8 KiB, in which é takes six bytes; a longer one would lose the answer."""
    told = attempt(host, protocol, model, {"what": np.array(["accents"], object)}).error
    assert told == f"ValueError: {'é' * 1163}…"


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("slow", "its callable did not return within the timeout of 0.3 s"),
        ("deaf", "it has closed its channel to tritonserver"),
    ],
)
def test_a_kill_by_the_daemon_is_told_as_such(host: RunningHost, model: str, why: str) -> None:
    """A kill by the daemon is not reported as the kernel's, which also sends only SIGKILL."""
    assert ask(host, model, "")[1]
    message = f"ended with a kill by the daemon: {why}; starting another"
    wait_until(lambda: message in host.log, what="the log says why")


AT_SET_UP = """
import sys
import numpy as np
from pytriton_plugins import Tensor, infer_func
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))


@infer_func(inputs=[X], outputs=[Y])
class Leaves:
    def __init__(self): sys.exit("no weights")
    def __call__(self, x): return x


@infer_func(inputs=[X], outputs=[Y])
class Interrupted:
    def __init__(self): raise KeyboardInterrupt
    def __call__(self, x): return x


SAMPLE = {"inputs": {"x": {"dims": [1], "zero_data": True}}}


@infer_func(inputs=[X], outputs=[Y], triton_config={"model_warmup": [SAMPLE]})
def warmed(x): sys.exit(3)


@infer_func(inputs=[X], outputs=[Y])
def well(x): return x
"""


def test_an_exit_at_the_set_up_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "at_set_up.py").write_text(AT_SET_UP)
    with run_host(
        tmp_path / "at_set_up.py", options=["--optional=Leaves", "--optional=Interrupted", "--optional=warmed"]
    ) as host:
        assert infer(host, "grpc", "well", {"x": np.ones((1, 1), np.float32)})["y"].tolist() == [[1]]
        for message in (
            "model Leaves: set-up: its __init__ called sys.exit('no weights')",
            "model Interrupted: set-up: its __init__ raised KeyboardInterrupt",
            "model warmed: warm-up: its callable called sys.exit(3)",
        ):
            wait_until(lambda message=message: message in host.log, what=message)  # type: ignore[misc]


def test_no_end_looks_like_a_lack_of_memory(host: RunningHost) -> None:
    """The log names no lack of memory for any of these ends."""
    assert "killed by SIGKILL" not in host.log
