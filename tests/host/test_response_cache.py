"""Triton's response cache: cached responses, errors that are not cached, and models that must not use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host
from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.logs import wait_logged
from tests.support.traffic.clients import PROTOCOLS, attempt, infer, texts

CACHED = MODELS / "cached.py"
CACHE = "--server-option=cache-config=local,size=1048576"


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    with run_host(f"{CACHED}:Calls", f"{CACHED}:FailsFirst", options=[CACHE]) as running:
        yield running


def calls(host: RunningHost, protocol: str, *values: float) -> int:
    return int(infer(host, protocol, "Calls", {"x": np.array([values], np.float32)})["calls"].item())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_request_is_answered_without_a_call(host: RunningHost, protocol: str) -> None:
    value = PROTOCOLS.index(protocol)
    first = calls(host, protocol, value, 1)
    assert [calls(host, protocol, value, 1) for _ in range(5)] == [first] * 5
    assert calls(host, protocol, value, 2) == first + 1
    assert calls(host, protocol, value, 1) == first


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("RequestError", "not yet"),
        ("ValueError", "ValueError: not yet"),
        ("exit", "model FailsFirst: its worker ended while it ran this request"),
    ],
)
def test_an_error_is_never_kept(host: RunningHost, tmp_path: Path, protocol: str, how: str, message: str) -> None:
    how = str(tmp_path / f"{how}-{protocol}")
    asked = {"how": texts(how)}
    assert message in attempt(host, protocol, "FailsFirst", asked).error
    second = infer(host, protocol, "FailsFirst", asked)["calls"].item()
    assert second == (1 if "exit" in how else 2)  # another worker counts anew
    assert infer(host, protocol, "FailsFirst", asked)["calls"].item() == second


def test_without_a_cache_each_request_is_run_and_the_log_says_what_to_add() -> None:
    with run_host(f"{CACHED}:Calls") as host:
        assert [calls(host, "grpc", 1, 1) for _ in range(3)] == [1, 2, 3]
        wait_logged(host, "its configuration turns the response cache on")
        (line,) = [line for line in host.log.splitlines() if "cache" in line and "WARNING" in line]
        assert f"model Calls of plugin {CACHED}:Calls: its configuration turns the response cache on, but this" in line
        assert "add --server-option cache-config=local,size=16777216 (bytes), or leave response_cache out" in line


def test_with_reload_the_cache_is_off() -> None:
    """The cache would return the results of an older callable."""
    with run_host(f"{CACHED}:Calls", options=[CACHE, "--reload"]) as host:
        assert [calls(host, "grpc", 1, 1) for _ in range(3)] == [1, 2, 3]
        wait_logged(host, f"model Calls of plugin {CACHED}:Calls: its response cache is off with --reload")


REASON = "Triton's response cache compares the bytes of an input and not its shape, and input x can have the same bytes"


def test_the_file_cannot_turn_it_on_where_it_would_answer_wrongly(tmp_path: Path) -> None:
    (tmp_path / "host.toml").write_text("[models.Ambiguous]\ntriton_config.response_cache.enable = true\n")
    with run_host(f"{CACHED}:Ambiguous", options=[CACHE, f"--config={tmp_path / 'host.toml'}"], ready=False) as host:
        host.wait_settled()
        (row,) = [line for line in host.output.splitlines() if line.startswith("-")]
        assert row.split()[2] == f"{CACHED}:Ambiguous"
        assert f"[models.Ambiguous]: {REASON} as [1, 2] and as [2, 1]; give it a shape" in row


def test_a_batch_of_one_row_has_the_shape_that_its_bytes_say(tmp_path: Path) -> None:
    config = "[models.Ambiguous]\nmax_batch_size = 1\ntriton_config.response_cache.enable = true\n"
    (tmp_path / "host.toml").write_text(config)
    with run_host(f"{CACHED}:Ambiguous", options=[CACHE, f"--config={tmp_path / 'host.toml'}"]) as host:
        x = {"x": np.ones((1, 4), np.float32)}
        assert [infer(host, protocol, "Ambiguous", x)["calls"].item() for protocol in PROTOCOLS] == [1, 1]


HOOKS = """
    from pytriton_plugins import hookimpl


    @hookimpl
    def pytriton_edit_model_config(model, config):
        return config.merged({"response_cache": {"enable": True}}) if model.name == "Ambiguous" else None
"""


def test_neither_can_a_hook_plugin(tmp_path: Path) -> None:
    """A hook plugin cannot turn the cache on where its responses would be wrong."""
    install(tmp_path, "acme-hooks", {"pytriton_plugins.hooks": {"cacher": "acme_hooks"}}, acme_hooks=HOOKS)
    env = {"PYTHONPATH": path_with(tmp_path)}
    with run_host(f"{CACHED}:Ambiguous", f"{CACHED}:Calls", options=[CACHE], env=env, ready=False) as host:
        host.wait_settled()
        (row,) = [line for line in host.output.splitlines() if line.startswith("Ambiguous")]
        assert "hook plugin cacher (acme-hooks 1.0): pytriton_edit_model_config: " + REASON in row
        assert calls(host, "grpc", 1, 1) == 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("local,size=many", "Failed to initialize LocalCache"),
        ("no-such,size=1", "unable to find 'libtritoncache_no-such.so' for cache."),
    ],
)
def test_a_cache_that_cannot_be_made_ends_the_start_in_one_line(option: str, message: str) -> None:
    ports = [f"--{name}-port=0" for name in ("http", "grpc", "metrics")]
    done = call_host("serve", f"{CACHED}:Calls", *ports, f"--server-option=cache-config={option}", timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("pytriton-host: tritonserver cannot start: ")
    assert message in done.stderr.splitlines()[-1]
