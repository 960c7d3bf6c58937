"""bfloat16 for a model without ml_dtypes: it gets each number's bits, and clients see no difference."""

from __future__ import annotations

from collections.abc import Iterator

import ml_dtypes
import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host
from tests.support.paths import MODELS
from tests.support.sandbox.logs import wait_logged
from tests.support.traffic.clients import PROTOCOLS, infer

BITS = MODELS / "bits.py"


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    with run_host(BITS) as running:
        yield running


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_bits_come_and_go(host: RunningHost, protocol: str) -> None:
    x = np.array([[1.5, -0.0, 2.0**-133, np.inf, -1.6e38, np.nan]], ml_dtypes.bfloat16)
    y = infer(host, protocol, "negated", {"x": x})["y"]
    assert y.dtype == x.dtype
    assert y.view(np.uint16).tolist() == [[0xBFC0, 0x0000, 0x8001, 0xFF80, 0x7EF1, 0xFFC0]]


def test_the_log_says_so(host: RunningHost) -> None:
    """The log warns that the model gets bits instead of numbers."""
    line = (
        "model negated: bfloat16 tensors are np.uint16 arrays of each number's bits, because ml_dtypes is not "
        "installed; run: pip install ml_dtypes"
    )
    wait_logged(host, line)
    assert host.log.count(line) == 1
