"""Clients that send tensors in their own shared memory, with a whole daemon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS, ROOT
from tests.support.sandbox.leftovers import tritonserver
from tests.support.traffic.client_memory import needs_kernel, region
from tests.support.traffic.clients import PROTOCOLS

LENT = MODELS / "lent.py"
TROUBLESHOOTING = ROOT / "docs/how-to/troubleshoot.md"
SHAPE = (1, 50_000)
BYTES = 200_000
ALLOW = ["--allow=shared-memory"]


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    with run_host(LENT, options=ALLOW) as running:
        yield running


def lent(host: RunningHost, protocol: str = "grpc") -> list[bool]:
    """Whether each of three requests found its input in the client's file."""
    with region(getattr(host, protocol), BYTES, protocol) as client:
        client.floats(SHAPE)[:] = 1
        found = []
        for _ in range(3):
            y = client.infer("where", SHAPE)
            assert y is not None
            assert (y[0, 1:] == 2).all()
            found.append(bool(y[0, 0]))
    return found


@pytest.mark.parametrize("protocol", PROTOCOLS)
@needs_kernel
def test_from_the_second_request_on_the_callable_reads_the_clients_memory(host: RunningHost, protocol: str) -> None:
    assert lent(host, protocol) == [False, True, True]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_inputs_in_client_memory_come_back_into_client_memory(host: RunningHost, protocol: str) -> None:
    with region(getattr(host, protocol), 2 * BYTES + 128, protocol) as client:
        x, y = client.floats(SHAPE), client.floats(SHAPE, 200_064)
        for value in range(10):
            x[:] = np.arange(50_000) + value
            client.infer("back", SHAPE, 0, 200_064)
            np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize(
    ("options", "table", "lends"),
    [
        ([*ALLOW, "--no-shm-lend"], "", False),
        ([*ALLOW, "--no-shm-lend"], "lend = true", True),
        (ALLOW, "lend = false", False),
    ],
    ids=["switched off", "but not of this model", "only of this model"],
)
@needs_kernel
def test_inputs_are_lent_where_the_settings_allow_it(
    tmp_path: Path, options: list[str], table: str, lends: bool
) -> None:
    """Inputs are lent only where the options and the model's table allow it."""
    (tmp_path / "host.toml").write_text(f"[models.where.shm]\n{table}\n")
    with run_host(f"{LENT}:where", options=[*options, f"--config={tmp_path / 'host.toml'}"]) as host:
        assert [any(lent(host, protocol)) for protocol in PROTOCOLS] == [lends, lends]


def test_kept_inputs_do_not_change_with_the_clients_memory(host: RunningHost) -> None:
    with region(host.grpc, BYTES) as client:
        total: list[float] = []
        for value in range(6):
            client.floats(SHAPE)[:] = value
            total.append(value * 50_000.0)
            y = client.infer("keeps", SHAPE)
            assert y is not None
            assert y.ravel().tolist() == total


@needs_kernel
def test_a_client_that_leaves_gets_its_memory_back(host: RunningHost) -> None:
    with region(host.grpc, BYTES) as client:
        client.floats(SHAPE)[:] = 1
        for _ in range(2):
            client.infer("where", SHAPE)
        file = str(client.path)
        assert holders(file) > 1
        client.leave()
        del client.bytes
        wait_until(lambda: holders(file) == 0, 10.0, "nobody maps the client's file")


def holders(file: str) -> int:
    """How many processes map ``file``."""
    count = 0
    for process in Path("/proc").glob("[0-9]*/maps"):
        try:
            count += file in process.read_text()
        except OSError:
            continue  # it ended meanwhile
    return count


@needs_kernel
def test_a_client_that_shrinks_its_file_costs_its_own_request(host: RunningHost) -> None:
    """The worker ends by SIGBUS; tritonserver and the other models continue."""
    server = tritonserver(host)
    with region(host.grpc, BYTES) as client:
        client.floats(SHAPE)[:] = 1
        client.infer("shrinks", (1, 20))
        client.infer("shrinks", SHAPE)
        with pytest.raises(InferenceServerException, match="model shrinks: its worker ended while it ran this request"):
            client.infer("shrinks", SHAPE)
    assert tritonserver(host) == server
    assert lent(host) == [False, True, True]


def test_a_region_that_is_too_small_gets_tritons_error(host: RunningHost) -> None:
    """The page on troubleshooting has the error and its remedy."""
    (row,) = [line for line in TROUBLESHOOTING.read_text().splitlines() if "Invalid offset + byte size" in line]
    assert "`docker run --shm-size 1g`" in row
    assert "`sizeLimit`" in row
    with region(host.grpc, 2 * BYTES) as client:
        with pytest.raises(InferenceServerException, match=r"Invalid offset \+ byte size for shared memory region"):
            client.infer("back", (1, BYTES))
        told = "shared memory size specified with the request for output 'y' .* should be at least 200000 bytes"
        with pytest.raises(InferenceServerException, match=told):
            client.infer("back", SHAPE, out=BYTES, room=BYTES // 2)
        client.infer("back", SHAPE, out=BYTES)
