"""Workers, batch size and Triton's settings of a model, from its code, from options and from the file."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.sandbox.inits import children
from tests.support.traffic.clients import PROTOCOLS, attempt, infer

SOURCE = """
import os

import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("pid", np.int64, ())], max_batch_size=4, workers=2)
def who(x):
    return np.full(len(x), os.getpid())
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "who.py").write_text(SOURCE)
    return tmp_path / "who.py"


def options_of(folder: Path, table: str) -> list[str]:
    (folder / "host.toml").write_text(f"[models.who]\n{table}\n")
    return [f"--config={folder / 'host.toml'}"]


def pids(host: RunningHost) -> set[int]:
    """The workers that answer twenty requests; an idle model may use any of them."""
    x = {"x": np.array([[1]])}
    return {int(infer(host, protocol, "who", x)["pid"].item()) for protocol in PROTOCOLS * 10}


@pytest.mark.parametrize(
    ("options", "table", "workers"),
    [
        ([], "", 2),
        (["--workers=1"], "", 1),
        (["--workers=1"], "workers = 3", 3),
    ],
    ids=["the code", "an option before it", "the file before both"],
)
def test_workers(model: Path, options: list[str], table: str, workers: int) -> None:
    with run_host(model, options=[*options, *options_of(model.parent, table)]) as host:
        serving = f"model who version 1: serving; shared memory 16.0 MiB for {workers} worker"
        wait_until(lambda: serving in host.log, what="it serves")
        wait_until(lambda: count(host) == workers, what="its workers are there")
        assert 1 <= len(pids(host)) <= workers


def count(host: RunningHost) -> int:
    """The number of living workers: children of the host whose first thread runs our program."""
    return sum("pytriton_plugins.worker" in command_line(pid) for pid in children(host.process.pid))


def command_line(pid: int) -> str:
    """The command of a process; empty for one that has ended meanwhile."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def test_the_batch_size_of_the_file(model: Path) -> None:
    with run_host(model, options=options_of(model.parent, "max_batch_size = 2")) as host:
        for protocol in PROTOCOLS:
            assert len(infer(host, protocol, "who", {"x": np.array([[1], [2]])})["pid"]) == 2
            refused = attempt(host, protocol, "who", {"x": np.array([[1], [2], [3]])})
            assert "batch-size must be <= 2 for 'who'" in refused.error


HANDED_ON: dict[str, Any] = {
    "metric_tags": {"team": "vision"},
    "parameters": {"commit": {"string_value": "4f2a1c"}},
    "optimization": {"priority": "PRIORITY_MIN", "input_pinned_memory": {"enable": False}},
    "default_model_filename": "none",
    "cc_model_filenames": {"7.5": "none"},
    "model_operations": {"op_library_filename": ["none"]},
    "dynamic_batching": {
        "priority_levels": 2,
        "default_priority_level": 1,
        "default_queue_policy": {"timeout_action": "DELAY", "default_timeout_microseconds": 1000000},
        "priority_queue_policy": {"2": {"timeout_action": "DELAY", "max_queue_size": 4}},
    },
}


@pytest.fixture(scope="module")
def handed_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host with one model for each key, named after the key."""
    file = tmp_path_factory.mktemp("models") / "who.py"
    models = [
        SOURCE.replace("workers=2", f"name={key!r}, triton_config={{{key!r}: {HANDED_ON[key]!r}}}") for key in HANDED_ON
    ]
    file.write_text("".join(each.replace("def who", f"def who_{number}") for number, each in enumerate(models)))
    with run_host(file) as host:
        yield host


@pytest.mark.parametrize("key", HANDED_ON)
def test_keys_that_reach_triton_unchanged(handed_on: RunningHost, key: str) -> None:
    """These keys reach Triton unchanged."""
    with urllib.request.urlopen(f"http://{handed_on.http}/v2/models/{key}/config") as answer:
        assert within(HANDED_ON[key], json.load(answer)[key])
    for protocol in PROTOCOLS:
        assert infer(handed_on, protocol, key, {"x": np.array([[1], [2]])})["pid"].shape == (2, 1)


def within(part: Any, shown: Any) -> bool:
    """Whether all of ``part`` is in ``shown``."""
    if isinstance(part, dict):
        return all(name in shown and within(value, shown[name]) for name, value in part.items())
    if isinstance(part, list):
        return len(part) == len(shown) and all(map(within, part, shown))
    return bool(part == shown)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "triton_config.sequence_batching = {}",
            "triton_config has 'sequence_batching', which the daemon writes itself; w",
        ),
        (
            "triton_config.instance_group = []",
            "triton_config has 'instance_group', which the daemon writes itself; wr",
        ),
        ("triton_config.dynamicBatching = {}", "triton_config has 'dynamicBatching'; write 'dynamic_batching'"),
    ],
)
def test_keys_that_are_not_for_a_triton_config_end_the_start(model: Path, table: str, message: str) -> None:
    """Such a key in the configuration file ends the start, like every mistake there."""
    with run_host(model, options=options_of(model.parent, table), ready=False) as host:
        assert host.process.wait(60) == 2
        (line,) = host.log.splitlines()
        assert f": models.who: {message}" in line
