"""A call that could only wait for itself is refused at once, with the chain of models; all others run."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest

from pytriton_plugins.shm import wire
from tests.support.backend.caller import Caller
from tests.support.backend.calling import MODELS, X, answered, called, ended, refused, run_calling, started
from tests.support.backend.parts import Parts
from tests.support.backend.server import TIMEOUT, Backend


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_calling(tmp_path_factory.mktemp("chains")) as running:
        yield running


def test_a_model_that_calls_itself(backend: Backend) -> None:
    caller, answer = started(backend)
    refused(caller, caller.call("a", ("x", X)), "a → a")
    ended(caller, answer)


def test_a_chain_that_comes_back(backend: Backend) -> None:
    a, answer = started(backend)
    b = called(a, "b")
    c = called(b, "c")
    refused(c, c.call("b", ("x", X)), "b → c → b")
    refused(c, c.call("a", ("x", X)), "a → b → c → a")
    answered(b, c)
    answered(a, b)
    ended(a, answer)


def test_a_chain_of_five(backend: Backend) -> None:
    first, answer = started(backend)
    workers = [first]
    for name in MODELS[1:]:
        workers.append(called(workers[-1], name))
    for i in range(len(workers) - 1, 0, -1):
        answered(workers[i - 1], workers[i])
    ended(first, answer)


def test_a_model_with_slots_calls_itself_until_they_are_used(backend: Backend) -> None:
    slots = [Caller(backend, 1) for _ in range(3)]
    answer = backend.infer("a", {"x": X})
    running = [begun(slots)]
    for _ in range(2):
        running[-1].call("a", ("x", X))
        running.append(begun(slots))
    refused(running[-1], running[-1].call("a", ("x", X)), "a → a")
    for i in (2, 1):
        answered(running[i - 1], running[i])
    ended(running[0], answer)


def begun(slots: list[Caller]) -> Caller:
    """The worker among the idle ones that got a batch."""
    ready, _, _ = select.select([each.worker.sock for each in slots], [], [], TIMEOUT)
    (worker,) = (each for each in slots if each.worker.sock in ready)
    slots.remove(worker)
    worker.begin()
    return worker


def test_a_free_slot_does_not_help_a_call_that_runs_in_another(backend: Backend) -> None:
    a, answer = started(backend)
    slots = [Caller(backend, 2) for _ in range(2)]
    a.call("b", ("x", X))
    b = begun(slots)
    refused(b, b.call("a", ("x", X)), "a → b → a")
    answered(a, b)
    ended(a, answer)


def test_a_stream_that_is_not_read_does_not_hide_a_chain(backend: Backend) -> None:
    a, answer = started(backend)
    parts = Parts(backend)
    stream = a.call("parts", ("x", X), flags=wire.CALL_STREAM)
    parts.begin()
    parts.send([1])
    parts.taken()
    assert a.result().number == stream
    refused(a, a.call("a", ("x", X)), "a → a")
    parts.send(None)
    a.room(stream)
    assert a.result().flags == wire.FINAL
    ended(a, answer)


def test_two_models_that_call_each_other_at_the_same_time(backend: Backend) -> None:
    """The backend may handle either call first; the other one is refused."""
    (a, of_a), (b, of_b) = started(backend, "a"), started(backend, "b")
    a.call("b", ("x", X))
    b.call("a", ("x", X))
    ready, _, _ = select.select([a.worker.sock, b.worker.sock], [], [], TIMEOUT)
    if ready == [a.worker.sock]:
        (first, of_first), (second, of_second), chain = (b, of_b), (a, of_a), "b → a → b"
    else:
        (first, of_first), (second, of_second), chain = (a, of_a), (b, of_b), "a → b → a"
    refused(second, second.number, chain)
    ended(second, of_second)
    second.begin()
    answered(first, second)
    ended(first, of_first)


def test_a_call_beside_one_that_can_run_is_refused_when_that_has_ended(backend: Backend) -> None:
    a, answer = started(backend)
    b, c = Caller(backend, 2), Caller(backend, 3)
    a.call("b", ("x", X))
    a.call("c", ("x", X))
    b.begin()
    c.begin()
    number = b.call("a", ("x", X))  # a may stop waiting once c has answered
    c.finish()
    assert a.result().number == 2
    refused(b, number, "a → b → a", wire.FINAL | wire.LINGERS)
    answered(a, b)
    ended(a, answer)


def test_a_model_without_a_worker_is_not_a_chain(backend: Backend) -> None:
    a, answer = started(backend)
    a.call("b", ("x", X))
    b = Caller(backend, 2)
    b.begin()
    answered(a, b)
    ended(a, answer)


def test_a_second_worker_ends_the_wait(backend: Backend) -> None:
    a, answer = started(backend)
    second, of_second = started(backend)
    b = called(a, "b")
    b.call("a", ("x", X))  # waits for the second worker of a
    ended(second, of_second)
    second.begin()
    answered(b, second)
    answered(a, b)
    ended(a, answer)
