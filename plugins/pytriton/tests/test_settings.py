"""`TritonConfig` and the other settings, and what they become."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytriton.client.exceptions import PyTritonClientInvalidUrlError, PyTritonClientTimeoutError
from pytriton.exceptions import PyTritonInvalidOperationError, PyTritonValidationError
from pytriton.installed import warn_of_nvidia_pytriton
from pytriton.model_config import (
    DynamicBatcher,
    ModelConfig,
    ModelWarmup,
    QueuePolicy,
    Tensor,
    TimeoutAction,
    WarmupInput,
)
from pytriton.proxy.types import Request
from pytriton.serving.model import bound_model, native_dtype
from pytriton.serving.model_options import triton_config
from pytriton.serving.remote import daemon_at, local_address
from pytriton.serving.server_options import host_keywords
from pytriton.triton import RemoteTriton, Triton, TritonConfig, TritonSecurityConfig
from pytriton.utils.workspace import Workspace

X = Tensor((-1,), np.float32, "x")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTRITON_HOST_ADDRESS", raising=False)


def test_fields_of_the_daemon_and_of_tritonserver() -> None:
    config = TritonConfig(
        http_port=80, exit_timeout_secs=3, log_verbose=1, allow_metrics=False, cache_config=["local,size=1"], id="a"
    )
    assert host_keywords(config.to_dict()) == {
        "address": "0.0.0.0",
        "http_port": 80,
        "drain_timeout": 3,
        "server_options": ["id=a", "log-verbose=1", "allow-metrics=false", "cache-config=local,size=1"],
    }


def test_one_address_for_all_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host_keywords({"http_address": "localhost", "grpc_address": "localhost"}) == {"address": "127.0.0.1"}
    with pytest.raises(PyTritonValidationError, match=r"not 10\.0\.0\.1 and 10\.0\.0\.2"):
        host_keywords({"http_address": "10.0.0.1", "grpc_address": "10.0.0.2"})
    monkeypatch.setenv("PYTRITON_HOST_ADDRESS", "::1")
    assert host_keywords({}) == {}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("grpc_use_ssl", True, "end TLS in a proxy"), ("allow_vertex_ai", True, "/v2/health/ready")],
)
def test_what_cannot_be_done_says_the_other_way(field: str, value: Any, message: str) -> None:
    with pytest.raises(PyTritonValidationError, match=rf"TritonConfig\.{field} is not supported: .*{message}"):
        host_keywords({field: value})


def test_what_changes_nothing_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "pytriton"):
        assert host_keywords({"log_file": "x.log", "exit_on_error": True}) == {"address": "0.0.0.0"}
        Triton(security_config=TritonSecurityConfig(access_token="secret"))
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "TritonConfig.log_file is not used",
        "TritonConfig.exit_on_error is not used",
        "TritonSecurityConfig.access_token is not used",
    ]
    assert "secret" not in caplog.text


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"HTTP_PORT": "8500", "ALLOW_GPU_METRICS": "false", "CACHE_CONFIG": "local,size=1"}.items():
        monkeypatch.setenv(f"PYTRITON_TRITON_CONFIG_{name}", text)
    assert TritonConfig.from_env() == TritonConfig(
        http_port=8500, allow_gpu_metrics=False, cache_config=["local,size=1"]
    )
    monkeypatch.setenv("PYTRITON_TRITON_CONFIG_GRPC_PORT", "many")
    with pytest.raises(PyTritonValidationError, match="CONFIG_GRPC_PORT: 'many', expected a whole number"):
        TritonConfig.from_env()


def test_variables_of_a_list_are_numbered(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for number in (10, 0, 2):
        monkeypatch.setenv(f"PYTRITON_TRITON_CONFIG_TRACE_CONFIG_{number}", f"t{number}")
    monkeypatch.setenv("PYTRITON_TRITON_CONFIG_NOPE", "1")
    with caplog.at_level(logging.WARNING, "pytriton"):
        assert TritonConfig.from_env() == TritonConfig(trace_config=["t0", "t2", "t10"])
    assert "no field nope" in caplog.text


def test_texts_are_converted() -> None:
    given = {"http_port": "8000", "allow_grpc": "true", "log_file": "a", "id": "1", "exit_timeout_secs": 3}
    assert TritonConfig.from_dict(given) == TritonConfig(
        http_port=8000, allow_grpc=True, log_file=Path("a"), id="1", exit_timeout_secs=3
    )


def test_settings_can_be_changed() -> None:
    config = TritonConfig()
    config.http_port = 0
    model = ModelConfig()
    model.batcher.max_queue_delay_microseconds = 5
    assert (config, model.batcher) == (TritonConfig(http_port=0), DynamicBatcher(5))


def test_an_unknown_field_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "pytriton"):
        assert TritonConfig.from_dict({"http_port": 1, "nope": 2}) == TritonConfig(http_port=1)
    assert "no field nope" in caplog.text


def test_the_configuration_of_a_model() -> None:
    policy = QueuePolicy(TimeoutAction.DELAY, 10, True, 5)
    batcher = DynamicBatcher(100, [2, 4], True, 2, 1, policy, {2: policy})
    sample = ModelWarmup("s", 2, {"x": WarmupInput(np.float32, (3,), random_data=True)}, 4)
    config = ModelConfig(batcher=batcher, model_warmup=[sample])
    queue = {
        "timeout_action": "DELAY",
        "default_timeout_microseconds": 10,
        "allow_timeout_override": True,
        "max_queue_size": 5,
    }
    assert triton_config(bound_model("m", 1, print, [X], [X], config, False), cached=True) == {
        "dynamic_batching": {
            "max_queue_delay_microseconds": 100,
            "preferred_batch_size": [2, 4],
            "preserve_ordering": True,
            "priority_levels": 2,
            "default_priority_level": 1,
            "default_queue_policy": queue,
            "priority_queue_policy": {"2": queue},
        },
        "response_cache": {"enable": True},
        "model_warmup": [
            {
                "name": "s",
                "batch_size": 2,
                "count": 4,
                "inputs": {"x": {"data_type": "TYPE_FP32", "dims": [3], "random_data": True}},
            }
        ],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model_name": "no name!"}, "invalid model name 'no name!'"),
        ({"infer_func": 3}, "must be a callable or a list of callables"),
        ({"infer_func": []}, "must be a callable or a list of callables"),
        ({"inputs": [X, X]}, "two tensors are named x"),
        ({"model_version": 0}, "invalid model_version 0"),
    ],
)
def test_bind_refuses(arguments: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"model_name": "m", "infer_func": print, "inputs": [X], "outputs": [X]}
    with pytest.raises(PyTritonValidationError, match=message):
        Triton().bind(**{**good, **arguments})


def test_tensors_without_names_are_numbered() -> None:
    unnamed = Tensor((1,), np.float32)
    model = bound_model("m", 1, print, [unnamed, unnamed], [unnamed], None, False)
    assert [tensor.name for tensor in (*model.inputs, *model.outputs)] == ["INPUT_1", "INPUT_2", "OUTPUT_1"]


@pytest.mark.parametrize("dtype", [bytes, object, str, np.bytes_, np.object_, np.dtype(object), np.dtype("S5")])
def test_all_dtypes_of_strings_are_one(dtype: Any) -> None:
    assert native_dtype(dtype) is bytes


def test_both_distributions_installed_is_one_line() -> None:
    class Found(Distribution):
        def read_text(self, filename: str) -> None: ...

        def locate_file(self, path: Any) -> Any: ...

    with pytest.warns(UserWarning, match="run: pip uninstall -y nvidia-pytriton pytriton-plugins-pytriton && pip"):
        warn_of_nvidia_pytriton(lambda name: [Found()])
    warn_of_nvidia_pytriton(lambda name: [])


@pytest.mark.parametrize("url", ["ftp://localhost", "http://", "localhost:many"])
def test_a_wrong_url_of_a_server(url: str) -> None:
    with pytest.raises(PyTritonClientInvalidUrlError, match="invalid URL"):
        RemoteTriton(url)


@pytest.mark.parametrize("url", ["192.0.2.1:8000", "grpc://[2001:db8::1]:8001"])
def test_a_server_of_another_machine_is_refused(url: str) -> None:
    with pytest.raises(PyTritonInvalidOperationError, match="is not this machine"):
        RemoteTriton(url)


@pytest.mark.parametrize("url", ["localhost", "grpc://127.0.0.1:8001", "http://0.0.0.0:8000"])
def test_a_server_of_this_machine(url: str) -> None:
    assert not RemoteTriton(url).is_connected()


def test_no_server_at_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTRITON_HOST_RUN_DIR", str(tmp_path))
    with pytest.raises(PyTritonClientTimeoutError, match=r"on this machine serves http://localhost:8000, after 0 s"):
        daemon_at(local_address("localhost"), 0)


def test_an_access_token_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "pytriton"):
        RemoteTriton("localhost", access_token="secret")
    assert "access_token is not used" in caplog.text
    assert "secret" not in caplog.text


def test_a_workspace_is_a_new_folder(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "a" / "b")
    assert workspace.exists()
    assert workspace.is_empty()
    (workspace.path / "file").touch()
    assert not workspace.is_empty()
    with pytest.raises(FileExistsError):
        Workspace(workspace.path)
    workspace.clean()
    assert not workspace.exists()


def test_a_folder_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not Triton(workspace=tmp_path).stop()
    assert (tmp_path / "file").exists()


def test_a_request_is_a_mapping() -> None:
    request = Request({"x": 1, "z": 3}, {"p": 2})
    del request["z"]
    assert (dict(request.items()), request["x"], "x" in request, "p" in request) == ({"x": 1}, 1, True, False)


def test_no_access_token() -> None:
    with pytest.raises(PyTritonInvalidOperationError, match="there is no access token"):
        Triton().get_access_token()


def test_one_import_is_enough() -> None:
    names = (
        "pytriton.client.ModelClient, pytriton.decorators.batch, pytriton.model_config.Tensor, pytriton.triton.Triton"
    )
    program = f"import pytriton; {names}; assert not hasattr(pytriton, 'nothing')"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
