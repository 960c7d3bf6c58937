"""Chains that lead through an ensemble, a sequence or a model that is loaded again are refused like plain ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import tritonclient.grpc

from pytriton_plugins.host.triton.repository import add_model, model_config
from pytriton_plugins.model.sequence import Sequence as Sequences
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.ensemble import pack_ensemble
from pytriton_plugins.shm.wire import LinkKind, LinkMessage
from tests.support.backend.caller import Caller, caller_model
from tests.support.backend.calling import LIMIT, X, answered, called, ended, refused, run_calling, started
from tests.support.backend.server import TIMEOUT, WAIT, Backend
from tests.support.traffic.clients import asked_inputs

STATEFUL = replace(caller_model("stateful"), sequence=Sequences())
"""Model 8."""


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_calling(tmp_path_factory.mktemp("detours")) as running:
        running.serve(8, STATEFUL, pack_declaration(STATEFUL, wait=WAIT, largest_response=LIMIT), 3)
        contain(running, "inner", "c", "b")
        contain(running, "outer", "c", "inner")
        yield running


def contain(backend: Backend, name: str, *models: str) -> None:
    """Serve an ensemble that runs ``models`` one after the other."""
    names = ["x", *(f"t{i}" for i in range(1, len(models))), "y"]
    steps = [
        {"model_name": model, "model_version": -1, "input_map": {"x": names[i]}, "output_map": {"y": names[i + 1]}}
        for i, model in enumerate(models)
    ]
    tensor = {"data_type": "TYPE_FP32", "dims": [-1]}
    model = caller_model(name)
    config: dict[str, Any] = {
        "name": name,
        "platform": "ensemble",
        "max_batch_size": model.max_batch_size,
        "input": [{"name": "x", **tensor}],
        "output": [{"name": "y", **tensor}],
        "ensemble_scheduling": {"step": steps},
    }
    add_model(backend.folder / "repository", model)
    tell(backend, name, [(each, -1) for each in models])
    backend.call(backend.server.load(name, config, 30.0))


def tell(backend: Backend, name: str, steps: Sequence[tuple[str, int]]) -> None:
    """Tell the backend what an ensemble contains."""
    message = LinkMessage(LinkKind.ENSEMBLE, payload=pack_ensemble(name, 1, steps))
    backend.call(backend.server.link.ask(message))


@pytest.mark.parametrize("ensemble", ["inner", "outer"])
def test_a_call_of_an_ensemble_that_contains_the_caller(backend: Backend, ensemble: str) -> None:
    b, answer = started(backend, "b")
    refused(b, b.call(ensemble, ("x", X)), f"{ensemble} → b → {ensemble}")
    ended(b, answer)


def test_a_chain_through_an_ensemble(backend: Backend) -> None:
    a, answer = started(backend)
    c, b = Caller(backend, 3), Caller(backend, 2)
    a.call("inner", ("x", X))
    c.begin()
    c.finish()
    b.begin()
    refused(b, b.call("a", ("x", X)), "a → inner → b → a")
    answered(a, b)
    ended(a, answer)


def test_what_the_daemon_says_last_about_an_ensemble_counts(backend: Backend) -> None:
    contain(backend, "changed", "c")
    b, answer = started(backend, "b")
    tell(backend, "changed", [("b", -1)])
    refused(b, b.call("changed", ("x", X)), "changed → b → changed")
    tell(backend, "changed", [])
    c = Caller(backend, 3)
    b.call("changed", ("x", X))
    c.begin()
    answered(b, c)
    ended(b, answer)


def ask(backend: Backend, sequence: int) -> Any:
    """Send the first and only request of a sequence in the background."""

    def infer() -> None:
        with tritonclient.grpc.InferenceServerClient(backend.grpc) as client:
            inputs = asked_inputs(tritonclient.grpc, {"x": X})
            client.infer("stateful", inputs, sequence_id=sequence, sequence_start=True, client_timeout=TIMEOUT)

    return backend.clients.submit(infer)


def begun(backend: Backend, sequence: int) -> tuple[Caller, Any]:
    """A new worker that runs the first request of a sequence."""
    worker = Caller(backend, 8)
    answer = ask(backend, sequence)
    worker.begin()
    return worker, answer


def test_a_sequence_that_calls_itself(backend: Backend) -> None:
    caller, answer = begun(backend, 7)
    Caller(backend, 8)  # the sequence has its state in the other one
    refused(caller, caller.call("stateful", ("x", X), correlation=7), "stateful → stateful")
    caller.finish()
    answer.result(TIMEOUT)


def test_a_sequence_whose_worker_waits_for_the_call(backend: Backend) -> None:
    worker, answer = begun(backend, 9)
    worker.finish()
    answer.result(TIMEOUT)
    answer = ask(backend, 11)
    worker.begin()
    Caller(backend, 8)
    b = called(worker, "b")
    refused(b, b.call("stateful", ("x", X), correlation=9), "stateful → b → stateful")
    answered(worker, b)
    worker.finish()
    answer.result(TIMEOUT)


def test_a_sequence_that_another_worker_can_run(backend: Backend) -> None:
    caller, answer = begun(backend, 13)
    other = Caller(backend, 8)
    caller.call("stateful", ("x", X), correlation=15, flags=wire.CALL_START)
    other.begin()
    answered(caller, other)
    caller.finish()
    answer.result(TIMEOUT)


def test_a_model_that_is_loaded_again_while_the_old_one_runs(backend: Backend) -> None:
    old, of_old = started(backend, "d")
    model = caller_model("d")
    config = {**model_config(model, 4, (1,)), "parameters": {"again": {"string_value": "1"}}}
    backend.call(backend.server.declare(20, pack_declaration(model, wait=WAIT, largest_response=LIMIT)))
    backend.call(backend.server.load("d", config, 30.0))
    a, answer = started(backend)
    new = Caller(backend, 20)
    a.call("d", ("x", X))
    new.begin()
    refused(new, new.call("a", ("x", X)), "a → d → a")
    answered(a, new)
    ended(a, answer)
    ended(old, of_old)
