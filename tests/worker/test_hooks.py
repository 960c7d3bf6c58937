"""The imports of a worker with and without hook plugins, and hook calls over a real channel."""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins import RequestError, Tensor
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.testing import RunningHost, run_host
from pytriton_plugins.testing.served import open_channel
from pytriton_plugins.worker.channels.dispatch import server_class
from pytriton_plugins.worker.channels.sync import SyncServer
from pytriton_plugins.worker.hooks import load_observer
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.traffic.clients import infer

MODEL = """
    import sys

    import numpy as np
    from pytriton_plugins import Tensor, infer_func


    @infer_func(inputs=[Tensor("x", np.float32, ())], outputs=[Tensor("modules", str, ())])
    def modules(x):
        return [" ".join(sorted(sys.modules))] * len(x)
"""
HOST_HOOK = """
    from pytriton_plugins import hookimpl

    @hookimpl
    def pytriton_on_host_start():
        pass
"""
WORKER_HOOK = """
    from pytriton_plugins import hookimpl

    @hookimpl
    def pytriton_on_request(request):
        pass
"""


def modules_of(host: RunningHost) -> set[str]:
    answer = infer(host, "grpc", "modules", {"x": np.zeros((1, 1), np.float32)})
    return set(answer["modules"].item().decode().split())


@pytest.fixture(params=["no hooks", "hooks of the host", "hooks of the worker"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningHost]:
    """A host with a hook plugin of the tested kind, or without one."""
    (tmp_path / "modules.py").write_text("")
    install(tmp_path, "acme-modules", {"pytriton_plugins.models": {"modules": "acme_modules"}}, acme_modules=MODEL)
    source = {"hooks of the host": HOST_HOOK, "hooks of the worker": WORKER_HOOK}.get(request.param)
    if source is not None:
        install(tmp_path, "acme-hooks", {"pytriton_plugins.hooks": {"acme": "acme_hooks"}}, acme_hooks=source)
    with run_host(options=["--plugin=modules"], env={"PYTHONPATH": path_with(tmp_path)}) as running:
        yield running


def test_pluggy_is_imported_only_for_hooks_of_the_worker(host: RunningHost, request: pytest.FixtureRequest) -> None:
    imported = modules_of(host)
    observed = request.node.callspec.params["host"] == "hooks of the worker"
    assert ("pluggy" in imported) is observed
    assert ("acme_hooks" in imported) is observed
    assert "importlib_metadata" not in imported
    assert "tritonclient" not in imported


X = Tensor("x", np.float32, (-1,))
MODEL_M = ModelDeclaration("m", 2, "function", "m", (X,), (Tensor("y", np.float32, (-1,)),), max_batch_size=64)
KEEPS_A_LOG = """
    from pytriton_plugins import hookimpl

    LOG = []


    @hookimpl
    def pytriton_on_worker_setup(model):
        LOG.append(f"set up {model.name}")


    @hookimpl
    def pytriton_on_request(settings, request):
        LOG.append(f"{settings.get('word')} {request.number}: {request.rows} of a batch of {request.batch}")


    @hookimpl
    def pytriton_on_response(outcome, request):
        LOG.append(f"{request.number} {'ok' if outcome.ok else outcome.code + ' ' + outcome.message}")
        assert 0 <= outcome.seconds < 60
"""
RAISES = """
    from pytriton_plugins import hookimpl


    @hookimpl
    def pytriton_on_request():
        raise SystemExit("no\\nmore")
"""
_numbers = itertools.count()
Observed = Callable[..., tuple[Any, list[str]]]


@pytest.fixture
def observed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Observed:
    """Makes the server of a channel observed by hook plugins of these sources, and the log of the last one."""

    def make(*sources: str) -> tuple[Any, list[str]]:
        monkeypatch.syspath_prepend(str(tmp_path))
        modules = [f"observer_{next(_numbers)}" for _ in sources]
        for module, source in zip(modules, sources, strict=True):
            install(tmp_path, module, {"pytriton_plugins.hooks": {module: module}}, **{module: source})
        origin = {"distribution": "acme", "version": "1.0", "settings": {"word": "request"}}
        observer = load_observer(MODEL_M, [{"plugin": module, "value": module, **origin} for module in modules])
        served_by = server_class(MODEL_M, observed=observer is not None)
        new_server = functools.partial(served_by, observer=observer)
        return new_server, getattr(importlib.import_module(modules[-1]), "LOG", [])

    return make


def numbers(*rows: float) -> dict[str, NDArray[Any]]:
    return {"x": np.array([[row] for row in rows], np.float32)}


def picky(x: NDArray[Any]) -> NDArray[Any]:
    if (x < 0).any():
        raise RequestError("negative", code="INVALID_ARG")
    return x


def test_each_request_of_batches_of_one_form_is_told_before_and_after(observed: Observed) -> None:
    """The first batch takes the slow path through the worker, the others the fast one."""
    new_server, log = observed(KEEPS_A_LOG)
    with open_channel(MODEL_M, picky, new_server=new_server) as channel:
        for _ in range(3):
            channel.send(numbers(1, 2), numbers(3))
    expected = ["set up m"]
    for first in (1, 3, 5):
        expected += [f"request {first}: 2 of a batch of 2", f"request {first + 1}: 1 of a batch of 2"]
        expected += [f"{first} ok", f"{first + 1} ok"]
    assert log == expected


def test_each_request_of_a_failed_batch_has_its_own_outcome(observed: Observed) -> None:
    new_server, log = observed(KEEPS_A_LOG)
    with open_channel(MODEL_M, picky, new_server=new_server) as channel:
        for first in (1, 4):
            del log[:]
            channel.send(numbers(1), numbers(-1), numbers(2))
            assert log[3:] == [f"{first} ok", f"{first + 1} INVALID_ARG negative", f"{first + 2} ok"]
        del log[:]
        channel.send(numbers(1), numbers(2), numbers(3))
    assert log[3:] == ["7 ok", "8 ok", "9 ok"]


def test_a_broken_observer_costs_neither_a_request_nor_another_observer(
    observed: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    new_server, log = observed(RAISES, KEEPS_A_LOG)
    with open_channel(MODEL_M, picky, new_server=new_server) as channel:
        for number in (1, 2, 3):
            (answer,) = channel.send(numbers(number)).outcomes
            assert isinstance(answer, dict)
            assert answer["y"].tolist() == [[number]]
    assert len(log) == 1 + 2 * 3
    raised = [record.getMessage() for record in caplog.records if "raised" in record.getMessage()]
    assert len(raised) == 3
    assert "pytriton_on_request raised SystemExit: no more" in raised[0]
    assert "(acme 1.0)" in raised[0]


def test_inputs_that_are_not_kept_are_not_kept_by_the_observer(observed: Observed) -> None:
    new_server, _ = observed(KEEPS_A_LOG)
    with open_channel(MODEL_M, picky, new_server=new_server) as channel:
        assert [channel.send(numbers(sign)).retired for sign in (1, 1, -1, 1)] == [False] * 4


def test_without_observing_plugins_there_is_no_observer(observed: Observed) -> None:
    """Without observing hook plugins there is no observer."""
    only_set_up, _ = observed(KEEPS_A_LOG.partition("    @hookimpl\n    def pytriton_on_request")[0])
    observing, _ = observed(KEEPS_A_LOG)
    assert only_set_up.func is SyncServer
    assert observing.func is not SyncServer
