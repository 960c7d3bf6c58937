"""A `triton_config` that Triton refuses: the table has the reason in one line, and the other models serve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import run_host, wait_until
from tests.support.paths import MODELS
from tests.support.traffic.clients import infer

SCALARS = f"{MODELS / 'kinds.py'}:scalars"
MODEL = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

X = [Tensor("x", np.int64, ())]
Y = [Tensor("y", np.int64, ())]


@infer_func(inputs=X, outputs=Y, triton_config={"%s": %r})
def wrong(x):
    return x
"""


REFUSED = "Triton refuses its configuration: "


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (
            "dynamic_batching",
            {"preferred_batch_size": [1000]},
            f"{REFUSED}dynamic batching preferred size must be <= max batch size for wrong; correct triton_config",
        ),
        (
            "dynamic_batching",
            {"priority_levels": 2, "default_priority_level": 9},
            f"{REFUSED}default priority level must be in range [1, 2] for wrong; correct triton_config",
        ),
        ("runtime", "no.so", "load failed for model 'wrong': version 1 is at UNAVAILABLE state: Invalid argument: "),
    ],
)
def test_the_reason_is_in_its_row(tmp_path: Path, key: str, value: object, reason: str) -> None:
    """Only Triton detects this mistake."""
    (tmp_path / "wrong.py").write_text(MODEL % (key, value))
    with run_host(SCALARS, tmp_path / "wrong.py", ready=False) as host:
        host.wait_settled()
        (row,) = [line for line in host.output.splitlines() if line.startswith("wrong ")]
        assert reason in row
        message = f"model wrong: plugin {tmp_path / 'wrong.py'}: {reason[:60]}"
        wait_until(lambda: message in host.log, what="the log says why")
        assert "\\n" not in row
        assert infer(host, "grpc", "scalars", {"x": np.array([[2.0]])})["product"].tolist() == [[20.0]]
        assert all(line[:4].isdigit() for line in host.log.splitlines())


def test_unknown_keys_never_reach_triton(tmp_path: Path) -> None:
    """Unknown keys are refused before Triton sees them."""
    (tmp_path / "wrong.py").write_text(MODEL % ("no_such_key", 3))
    with run_host(SCALARS, tmp_path / "wrong.py", ready=False) as host:
        host.wait_settled()
        message = f"plugin {tmp_path / 'wrong.py'}: model wrong: triton_config: unknown key no_such_key"
        wait_until(lambda: message in host.log, what="the log says why")
        (line,) = [line for line in host.log.splitlines() if "ERROR" in line]
        assert message in line
        assert infer(host, "grpc", "scalars", {"x": np.array([[2.0]])})["product"].tolist() == [[20.0]]
