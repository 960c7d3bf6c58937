"""`run_host`: functions and classes as targets, and a start that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func
from pytriton_plugins.errors import DiscoveryError
from pytriton_plugins.testing import run_host
from pytriton_plugins.testing.failed_start import failures
from tests.support.traffic.clients import infer

Array = NDArray[Any]
X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))
ROW = {"x": np.array([[1, 2]], np.float32)}
BROKEN = "import a_module_that_nobody_has\n"
NO_SET_UP = """
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, ())], outputs=[Tensor("y", np.float32, ())])
class Weighted:
    def __init__(self):
        raise ValueError("the weights are gone")

    def __call__(self, x):
        return x
"""


@infer_func(inputs=[X], outputs=[Y])
def doubled(x: Array) -> Array:
    return x * 2


@infer_func(inputs=[X], outputs=[Y])
class Tripled:
    def __call__(self, x: Array) -> Array:
        return x * 3


negated = infer_func(name="negated", inputs=[X], outputs=[Y])(lambda x: -x)


def test_what_a_worker_cannot_import() -> None:
    with (
        pytest.raises(DiscoveryError, match=r"; pass its class, or use call_model, which runs it in this process$"),
        run_host(Tripled()),
    ):
        pytest.fail("it is not served")


def test_functions_and_classes_of_a_tests_file() -> None:
    with run_host(doubled, Tripled, negated) as host:
        found = [infer(host, "grpc", name, ROW)["y"].tolist() for name in ("doubled", "Tripled", "negated")]
    assert found == [[[2, 4]], [[3, 6]], [[-1, -2]]]


def test_a_function_of_an_installed_module() -> None:
    """Its worker imports it by the module's name, as `serve` does."""
    from pytriton_plugins_add_sub import add_sub

    with run_host(add_sub) as host:
        x = np.ones((1, 2), np.float32)
        assert infer(host, "http", "add_sub", {"a": x, "b": x})["sum"].tolist() == [[2, 2]]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (BROKEN, "plugin {file}: import: needs the module a_module_that_nobody_has, which is not installed in "),
        (NO_SET_UP, "model Weighted: set-up: ValueError: the weights are gone"),
    ],
)
def test_a_start_that_fails_ends_at_once_with_its_reasons(tmp_path: Path, source: str, reason: str) -> None:
    """Not when the wait for readiness is over; the other targets are served by then."""
    file = tmp_path / "broken.py"
    file.write_text(source)
    with pytest.raises(AssertionError) as raised, run_host(file, doubled):
        pytest.fail("it is not ready")
    line = str(raised.value).splitlines()[0]
    assert line.startswith(f"the daemon cannot get ready: {reason.format(file=file)}")
    assert line.endswith("; its log:")
    assert "not ready: " in str(raised.value)


def test_what_may_fail_does_not_end_the_wait(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(BROKEN)
    with run_host(file, doubled, options=[f"--optional={file}"]) as host:
        assert infer(host, "grpc", "doubled", ROW)["y"].tolist() == [[2, 4]]


def test_reasons_that_pass_are_not_failures() -> None:
    table = "MODEL  VERSION\nnot ready: model m: {}\nnot ready: acme (acme 1): warming up\n"
    for reason in ("it is being loaded", "it has no live worker, and the next one waits for its turn to start"):
        assert failures(table.format(reason) + "\nHTTP http://127.0.0.1:1   gRPC 127.0.0.1:2\n") == []
    final = table.format("set-up: ValueError: no")
    assert failures(final) == []
    assert failures(final + "\ngRPC 127.0.0.1:2\n") == ["model m: set-up: ValueError: no"]
