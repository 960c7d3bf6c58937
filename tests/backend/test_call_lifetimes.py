"""Calls whose caller, called model or server ends: nothing hangs, and nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.wire import LinkKind, LinkMessage
from pytriton_plugins.testing import wait_until
from tests.support.backend.caller import Caller, caller_model
from tests.support.backend.calling import LIMIT, X, ended, run_calling, started
from tests.support.backend.server import TIMEOUT, WAIT, Backend, error_of

CODES = wire.OUTCOME_CODES
CUT = wire.FINAL | wire.LINGERS


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_calling(tmp_path_factory.mktemp("lifetimes")) as running:
        late = replace(caller_model("late"), timeout=0.2)
        running.serve(8, late, pack_declaration(late, wait=WAIT, largest_response=LIMIT))
        yield running


def called(caller: Caller) -> Caller:
    """The worker of b, which has the caller's batch."""
    worker = Caller(caller.backend, 2)
    caller.call("b", ("x", X))
    worker.begin()
    return worker


def test_a_caller_that_ends_cancels_its_calls(backend: Backend) -> None:
    caller, answer = started(backend)
    b = called(caller)
    caller.worker.close()
    assert "its worker ended while it ran this request" in error_of(answer).message()
    wait_until(b.is_cancelled, TIMEOUT, "the called model sees it")
    b.finish()
    ended(*started(backend))


def test_a_batch_that_is_late_cancels_its_calls(backend: Backend) -> None:
    caller = Caller(backend, 8)
    answer = backend.infer("late", {"x": X})
    caller.begin()
    b = called(caller)
    assert "timeout of 0.2 s" in error_of(answer).message()
    wait_until(b.is_cancelled, TIMEOUT, "the called model sees it")
    b.finish()


def test_a_called_model_that_loses_its_worker(backend: Backend) -> None:
    caller, answer = started(backend)
    b = called(caller)
    b.worker.close()
    code, text = caller.failure(caller.number)
    assert (code, text) == (CODES["UNAVAILABLE"], "model b: its worker ended while it ran this request")
    ended(caller, answer)


def test_a_called_model_that_is_unloaded_meanwhile(backend: Backend) -> None:
    caller, answer = started(backend)
    b = called(caller)
    unloading = backend.clients.submit(backend.call, backend.server.control.unload("b", timeout=30.0))
    wait_until(lambda: refuses(caller), TIMEOUT, "Triton unloads the model")
    b.finish()
    assert caller.result().result.code == 0
    unloading.result(TIMEOUT)
    ended(caller, answer)
    model = caller_model("b")
    backend.serve(9, model, pack_declaration(model, wait=WAIT, largest_response=LIMIT))


def refuses(caller: Caller) -> bool:
    """Whether a call of b that is abandoned at once ends as for a model that is not there."""
    caller.call("b", ("x", X))
    caller.abandon(caller.number)
    return caller.result().result.code in (CODES["UNAVAILABLE"], CODES["NOT_FOUND"])


def test_abandoned_calls_that_still_run_are_limited(backend: Backend) -> None:
    hangs = caller_model("hangs")
    backend.serve(10, hangs, pack_declaration(hangs, wait=WAIT, largest_response=LIMIT), instances=66)
    caller, answer = started(backend)
    workers = []
    for _ in range(64):
        workers.append(Caller(backend, 10))
        caller.call("hangs", ("x", X))
        workers[-1].begin()
        caller.abandon(caller.number)
        assert caller.failure(caller.number, CUT)[0] == CODES["CANCELLED"]
    text = "64 abandoned calls still run in the called models"
    assert caller.failure(caller.call("hangs", ("x", X))) == (CODES["UNAVAILABLE"], text)
    for each in workers:
        each.finish()
    wait_until(lambda: echoes(caller), TIMEOUT, "calls are possible again")
    ended(caller, answer)


def echoes(caller: Caller) -> bool:
    caller.call("echo", ("a", X[0]))
    return caller.result().result.code == 0


def test_nothing_is_left_of_many_calls(backend: Backend) -> None:
    caller, answer = started(backend)
    assert echoes(caller)
    before = len(backend.descriptors(""))
    for _ in range(300):
        assert echoes(caller)
        caller.call("c", ("x", X))
        caller.abandon(caller.number)
        assert caller.failure(caller.number, CUT)[0] == CODES["CANCELLED"]
        assert caller.failure(caller.call("nothing", ("x", X)))[0] == CODES["NOT_FOUND"]
    assert len(backend.descriptors("")) <= before + 4  # memory of Triton's allocator may be one mapping more
    ended(caller, answer)


def traced(file: Path) -> dict[str, dict[str, Any]]:
    """The spans of complete traces by model, the last one of each."""
    spans: dict[str, dict[str, Any]] = {}
    for each in sorted(file.parent.glob(file.name + ".*")):
        with contextlib.suppress(ValueError):  # it is being written
            for event in json.loads(each.read_text()):
                times = {time["name"] for time in event.get("timestamps", [])}
                span = spans.setdefault(str(event["id"]), {"times": set()})
                span.update(event)
                span["times"] |= times
    return {span["model_name"]: span for span in spans.values() if "model_name" in span}


def test_the_trace_of_a_call_that_lingers_is_complete(tmp_path: Path) -> None:
    """The trace of the caller's request has its data, and exists as long."""
    file = tmp_path / "trace.json"
    values = ("rate=1", "level=TIMESTAMPS", f"triton,file={file}", "triton,log-frequency=1")
    with run_calling(tmp_path, options=[("trace-config", value) for value in values]) as backend:
        caller, answer = started(backend)
        b = called(caller)
        caller.worker.close()
        assert "its worker ended while it ran this request" in error_of(answer).message()
        wait_until(b.is_cancelled, TIMEOUT, "the called model sees it")
        b.finish()
        for _ in range(3):
            ended(*started(backend, "c"))
        wait_until(lambda: "b" in traced(file), TIMEOUT, "the trace is written")
        spans = traced(file)
        assert spans["b"]["parent_id"] == spans["a"]["id"]
        assert {"COMPUTE_END", "REQUEST_END"} <= spans["b"]["times"]


def test_a_server_that_stops_while_calls_are_open_has_traced_them(tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    trace = [("trace-config", value) for value in ("rate=1", "level=TIMESTAMPS", f"triton,file={file}")]
    with run_calling(tmp_path, options=trace) as backend:
        caller, answer = started(backend)
        b = called(caller)
        assert echoes(caller)
        backend.send(LinkMessage(LinkKind.STOP))
        assert "the server is stopping" in error_of(answer).message()
        assert b.worker.ended()
        backend.call(backend.server.stop(10.0, asyncio.Event()))
        assert backend.call(backend.server.child.wait()) == 0
        caller.worker.close()
        b.worker.close()
    traced = {event["model_name"]: event for event in json.loads(file.read_text()) if "model_name" in event}
    assert traced["echo"]["parent_id"] == traced["b"]["parent_id"] == traced["a"]["id"]
