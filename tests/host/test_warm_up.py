"""`model_warmup` in a model's `triton_config`: every worker runs the samples before it serves."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.logs import wait_logged
from tests.support.traffic.clients import PROTOCOLS, Gate, attempt, infer

WARM = MODELS / "warm.py"
ONE = {"x": np.ones((1, 2), np.float32)}


def asked(host: RunningHost, protocol: str = "grpc") -> tuple[int, int, int]:
    """Process id, number of calls with zeros, and rows in the last of them."""
    outputs = infer(host, protocol, "Warm", ONE)
    return outputs["pid"].item(), outputs["zeros"].item(), outputs["rows"].item()


def test_the_callable_runs_before_the_model_is_ready(tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    with run_host(f"{WARM}:Warm", env={"WARM_GATE": str(tmp_path / "gate")}, ready=False) as host:
        wait_until(gate.is_reached, 20, "the callable runs")
        assert host.status("/v2/models/Warm/ready") != 200
        assert host.status("/v2/health/ready") != 200
        gate.open()
        host.wait_ready()
        for protocol in PROTOCOLS:
            assert asked(host, protocol)[1:] == (3, 4)


def test_every_worker_is_warm_and_so_is_its_successor() -> None:
    """Every worker and its replacement run the samples."""
    with run_host(f"{WARM}:Warm", options=["--workers=2"]) as host:
        first = wait_until(lambda: two_of(asked_at_once(host)), 20, "both workers answer") or set()
        assert {answer[1:] for answer in first} == {(3, 4)}
        for pid, _, _ in first:
            os.kill(pid, signal.SIGKILL)
        pids = {answer[0] for answer in first}
        others = wait_until(
            lambda: [answer for answer in map(after_death, [host] * 20) if answer and answer[0] not in pids]
        )
        assert {answer[1:] for answer in others} == {(3, 4)}


def asked_at_once(host: RunningHost) -> set[tuple[int, int, int]]:
    """The answers to 40 requests, eight at a time; a single request would go to the last busy worker."""
    with ThreadPoolExecutor(8) as clients:
        return set(clients.map(asked, [host] * 40))


def two_of(answers: set[tuple[int, int, int]]) -> set[tuple[int, int, int]]:
    return answers if len({pid for pid, _, _ in answers}) == 2 else set()


def after_death(host: RunningHost) -> tuple[int, int, int] | None:
    answered = attempt(host, "grpc", "Warm", ONE)
    values = [array.item() for array in answered.outputs.values()]
    return (values[0], values[1], values[2]) if values else None


def test_a_sample_that_fails_is_the_models_reason_and_the_others_serve() -> None:
    """A failing sample is the reason in the model's row; other models serve."""
    with run_host(f"{WARM}:no_zeros", f"{WARM}:Random", ready=False) as host:
        host.wait_settled()
        (row,) = [line for line in host.output.splitlines() if line.startswith("no_zeros")]
        assert "warm-up: sample 'zero_data': only zeros" in row
        wait_logged(host, "model no_zeros: warm-up: sample 'zero_data': only zeros")
        assert 0 < infer(host, "grpc", "Random", ONE)["y"].max() < 1


def test_samples_of_the_configuration_file(tmp_path: Path) -> None:
    sample = "{ batch_size = 2, count = 7, inputs = { x = { dims = [1], zero_data = true } } }"
    (tmp_path / "host.toml").write_text(f"[models.Warm]\ntriton_config = {{ model_warmup = [{sample}] }}\n")
    with run_host(f"{WARM}:Warm", options=[f"--config={tmp_path / 'host.toml'}"]) as host:
        assert asked(host)[1:] == (7, 2)


@pytest.mark.parametrize("batch_size", [0, 65])
def test_a_wrong_sample_is_one_line(tmp_path: Path, batch_size: int) -> None:
    sample = f"{{ batch_size = {batch_size}, inputs = {{ x = {{ dims = [1], zero_data = true }} }} }}"
    (tmp_path / "host.toml").write_text(f"[models.Warm]\ntriton_config = {{ model_warmup = [{sample}] }}\n")
    with run_host(f"{WARM}:Warm", options=[f"--config={tmp_path / 'host.toml'}"], ready=False) as host:
        host.wait_settled()
        message = (
            f"[models.Warm]: triton_config: model_warmup: sample 1: batch_size is {batch_size}; write a whole number"
        )
        assert message in host.output
