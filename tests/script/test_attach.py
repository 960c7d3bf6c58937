"""Callables of this process, attached to a daemon that runs already."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from pytriton_plugins import Context, Request, Sequence, Tensor, infer_func
from pytriton_plugins.client import Client
from pytriton_plugins.errors import AttachError, DeclarationError
from pytriton_plugins.script.attach import attach
from pytriton_plugins.script.attachment import Attachment
from pytriton_plugins.testing import RunningHost, wait_until
from tests.support.sandbox.command import call_host
from tests.support.script.calls import X, Y, call, is_served
from tests.support.traffic.scrape import page

Array = np.ndarray[Any, Any]


class Model:
    """An object with a state, a method and a ``__call__``."""

    def __init__(self, by: float) -> None:
        self.by = by

    def __call__(self, x: Array) -> Array:
        return x * self.by

    def method(self, x: Array, ctx: Context) -> Array:
        assert len(ctx.requests) == 1
        return x * self.by


def times(x: Array, by: float = 3.0, *, more: float = 0.0) -> Array:
    return x * by + more


def one_by_one(requests: list[Request]) -> list[Array]:
    return [request["x"] * 3 for request in requests]


async def awaited(x: Array) -> Array:
    await asyncio.sleep(0)
    return x * 3


THREE = {
    "a function": times,
    "a lambda": lambda x: x * 3,
    "an instance": Model(3),
    "a bound method": Model(3).method,
    "a partial": functools.partial(lambda x, by: x * by, by=3),
    "a partial of a partial": functools.partial(functools.partial(times, by=2.0), by=3.0),
    "a partial of an instance": functools.partial(Model(3)),
    "async": awaited,
    "a list of requests": one_by_one,
}


def test_a_callable_with_sequences(host: RunningHost, run_dir: Path) -> None:
    def summed(x: Array, ctx: Context) -> Array:
        state = ctx.sequence.state
        state["sum"] = state.get("sum", 0) + x
        total: Array = state["sum"]
        return total

    model = attach(run_dir, summed, inputs=[X], outputs=[Y], sequence=Sequence(max_live=9))
    with Client(f"grpc://{host.grpc}") as client:
        flags: list[dict[str, Any]] = [{"sequence_start": True}, {}, {"sequence_end": True}]
        sums = [client["summed"](x=[[2]], sequence_id=7, **each)["y"].item() for each in flags]
    model.remove()
    assert sums == [2, 4, 6]


def test_a_sequence_that_is_wrong(run_dir: Path) -> None:
    with pytest.raises(DeclarationError, match=r"the callable cannot see its sequence; add a parameter ctx: Context"):
        attach(run_dir, lambda x: x, name="blind", inputs=[X], outputs=[Y], sequence=Sequence())


@pytest.mark.parametrize("kind", THREE)
def test_any_callable_can_be_attached(host: RunningHost, run_dir: Path, kind: str) -> None:
    model = attach(run_dir, THREE[kind], name="three", inputs=[X], outputs=[Y])
    model.ready()
    assert call(host, "three", 1, 2) == [3, 6]
    model.remove()
    assert not is_served(host, "three")


def test_a_closure_answers_with_the_objects_of_this_process(host: RunningHost, run_dir: Path) -> None:
    scale = {"by": 2.0}
    model = attach(run_dir, lambda x: x * scale["by"], name="scaled", inputs=[X], outputs=[Y])
    model.ready()
    assert call(host, "scaled", 1, 2) == [2, 4]
    scale["by"] = 3.0
    assert call(host, "scaled", 1, 2) == [3, 6]
    model.remove()


def test_an_attached_callable_calls_models(host: RunningHost, run_dir: Path) -> None:
    def outer(x: Array, ctx: Context) -> Any:
        return ctx.models["inner"](x=x)["y"] + 1

    async def awaiting(x: Array, ctx: Context) -> Any:
        return (await ctx.models["outer"].call(x=x))["y"] + 1

    models = [
        attach(run_dir, times, name="inner", inputs=[X], outputs=[Y]),
        attach(run_dir, outer, name="outer", inputs=[X], outputs=[Y]),
        attach(run_dir, awaiting, name="awaiting", inputs=[X], outputs=[Y]),
    ]
    for model in models:
        model.ready()
    assert call(host, "awaiting", 1, 2) == [5, 8]
    models[0].remove()
    with pytest.raises(InferenceServerException, match="call of model 'outer': call of model 'inner': "):
        call(host, "awaiting", 1, 2)
    models[1].remove()
    models[2].remove()


def test_a_marked_callable_brings_its_declaration(host: RunningHost, run_dir: Path) -> None:
    @infer_func(inputs=[X], outputs=[Y], version=2)
    def marked(x: Array) -> Array:
        return x * 3

    model = attach(run_dir, marked)
    model.ready()
    assert (model.name, model.version) == ("marked", 2)
    assert call(host, "marked", 1) == [3]
    model.remove()


def parts(x: Array) -> Iterator[Array]:
    for number in range(3):
        yield x + number


async def awaited_parts(x: Array) -> AsyncIterator[Array]:
    for number in range(3):
        await asyncio.sleep(0)
        yield x + number


@pytest.mark.parametrize("generator", [parts, awaited_parts])
def test_a_generator_streams(host: RunningHost, run_dir: Path, generator: Any) -> None:
    model = attach(run_dir, generator, name="parts", inputs=[X], outputs=[Y])
    model.ready()
    found: list[float] = []
    end = threading.Event()

    def take(result: Any, error: Any) -> None:
        assert error is None
        if (array := result.as_numpy("y")) is not None:
            found.append(array.item())
        if len(found) == 3:
            end.set()

    with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
        client.start_stream(take)
        tensor = tritonclient.grpc.InferInput("x", [1, 1], "FP32").set_data_from_numpy(np.ones((1, 1), np.float32))
        client.async_stream_infer("parts", [tensor])
        assert end.wait(60)
        client.stop_stream()
    assert found == [1, 2, 3]
    model.remove()


def test_a_list_of_callables_is_the_workers_of_one_model(host: RunningHost, run_dir: Path) -> None:
    """Each callable answers one of three requests that run at the same time, and is told its place in the list."""
    together = threading.Barrier(3)

    def worker(index: int) -> Any:
        def run(x: Array, ctx: Context) -> Array:
            together.wait(60)
            return x + index * 10 + ctx.worker

        return run

    workers = [worker(index) for index in (1, 2, 3)]
    model = attach(run_dir, workers, name="several", inputs=[X], outputs=[Y], max_batch_size=1)
    model.ready()
    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(lambda _: call(host, "several", 0)[0], range(3))) == [10, 21, 32]
    model.remove()
    assert not is_served(host, "several")


def test_each_worker_process_is_told_its_place(host: RunningHost) -> None:
    """A worker that replaces another one has the same place."""

    def asked(_: int) -> tuple[float, float] | None:
        try:
            place, pid = call(host, "placed", 0)
        except InferenceServerException:  # its worker has just been killed
            return None
        return place, pid

    def both() -> dict[float, float]:
        with ThreadPoolExecutor(8) as pool:
            found = dict(answer for answer in pool.map(asked, range(40)) if answer)
        return found if len(found) == 2 else {}

    first = wait_until(both, 30, "both workers answer") or {}
    assert sorted(first) == [0, 1]
    os.kill(int(first[1]), signal.SIGKILL)
    wait_until(lambda: (now := both()) and now[0] == first[0] and now[1] != first[1], 30, "it is replaced")


def test_a_second_attach_of_a_name_replaces_the_first(host: RunningHost, run_dir: Path) -> None:
    """With the same declaration or another one, as when a cell runs again."""
    first = attach(run_dir, lambda x: x * 2, name="cell", inputs=[X], outputs=[Y])
    first.ready()
    second = attach(run_dir, lambda x: x * 3, name="cell", inputs=[X], outputs=[Y])
    assert call(host, "cell", 1) == [3]
    third = attach(run_dir, lambda x: x * 4, name="cell", inputs=[X], outputs=[Y], max_batch_size=8)
    third.ready()
    assert call(host, "cell", 1) == [4]
    assert [first.is_attached, second.is_attached, third.is_attached] == [False, False, True]
    assert first.wait(0)
    third.remove()


def test_a_replacement_with_the_same_declaration_loses_no_request(host: RunningHost, run_dir: Path) -> None:
    stop = threading.Event()
    failures: list[Exception] = []
    counts: set[float] = set()

    def load() -> None:
        while not stop.is_set():
            try:
                counts.update(call(host, "again", 0))
            except InferenceServerException as error:
                failures.append(error)

    model = attach(run_dir, lambda x: x, name="again", inputs=[X], outputs=[Y])
    model.ready()
    client = threading.Thread(target=load)
    client.start()
    for number in range(1, 6):
        model = attach(run_dir, functools.partial(times, more=number), name="again", inputs=[X], outputs=[Y])
    assert call(host, "again", 0) == [5]
    stop.set()
    client.join()
    model.remove()
    assert failures == []


def test_an_exception_fails_its_request_only(host: RunningHost, run_dir: Path) -> None:
    """Also those that would end a worker: this process is not the daemon's."""
    raised: list[BaseException] = [ValueError("too small"), SystemExit(3), KeyboardInterrupt()]

    def raises(x: Array) -> Array:
        if x[0, 0]:
            raise raised[int(x[0, 0]) - 1]
        return x

    model = attach(run_dir, raises, inputs=[X], outputs=[Y])
    model.ready()
    texts = []
    for number in (1, 2, 3):
        with pytest.raises(InferenceServerException) as failed:
            call(host, "raises", number)
        texts.append(failed.value.message())
    assert texts == ["ValueError: too small", "SystemExit: 3", "KeyboardInterrupt"]
    assert call(host, "raises", 0) == [0]
    model.remove()


def test_metrics_of_an_attached_callable_are_on_the_port(host: RunningHost, run_dir: Path) -> None:
    def counted(x: Array, ctx: Context) -> Array:
        ctx.metrics.counter("seen").inc()
        return x

    model = attach(run_dir, counted, inputs=[X], outputs=[Y])
    model.ready()
    assert call(host, "counted", 1) == [1]
    wait_until(lambda: 'model="counted"' in page(host.metrics), what="the counter is on the port")
    model.remove()


def test_large_tensors_and_many_clients(host: RunningHost, run_dir: Path) -> None:
    """A response that outgrows its segment gets a larger one, from any thread."""
    model = attach(run_dir, lambda x: x.repeat(4, axis=1), name="wide", inputs=[X], outputs=[Y], threads=4)
    model.ready()
    values = [float(value) for value in range(1 << 20)]
    with ThreadPoolExecutor(4) as pool:
        assert {len(each) for each in pool.map(lambda _: call(host, "wide", *values), range(8))} == {4 << 20}
    model.remove()


def test_the_name_of_a_plugins_model_is_refused(host: RunningHost, run_dir: Path) -> None:
    with pytest.raises(AttachError) as refused:
        attach(run_dir, lambda x: x, name="plugged", inputs=[X], outputs=[Y])
    assert str(refused.value).endswith(
        f" is served already by plugin {run_dir}/plugged.py; give it another name or version"
    )
    assert call(host, "plugged", 1) == [1]


def test_the_name_of_an_unloaded_model_is_free(host: RunningHost, run_dir: Path) -> None:
    """The plugin's model can be loaded again when the attached one is removed."""
    at = f"--run-dir={run_dir}"
    assert call_host("models", "unload", "plugged", at).returncode == 0
    model = attach(run_dir, lambda x: x * 3, name="plugged", inputs=[X], outputs=[Y])
    model.ready()
    assert call(host, "plugged", 1) == [3]
    model.remove()
    loaded = call_host("models", "load", "plugged", at)
    assert loaded.stdout == "model plugged version 1: serving\n", loaded.stderr
    assert call(host, "plugged", 1) == [1]


def test_a_model_that_fails_its_warm_up_is_refused(host: RunningHost, run_dir: Path) -> None:
    def cold(x: Array) -> Array:
        raise ValueError("not yet")

    zeros = {"data_type": "TYPE_FP32", "dims": [1], "zero_data": True}
    sample = {"name": "zeros", "batch_size": 1, "inputs": {"x": zeros}}
    with pytest.raises(AttachError, match=r"model cold version 1 cannot be attached: warm-up: .*not yet"):
        attach(run_dir, cold, inputs=[X], outputs=[Y], triton_config={"model_warmup": [sample]}).ready()
    assert not is_served(host, "cold")


def test_a_set_up_that_hangs_holds_up_no_other(host: RunningHost, run_dir: Path) -> None:
    """Others attach meanwhile, and one that gives up is forgotten; it serves once it is warm."""
    begun, returns = threading.Event(), threading.Event()

    def slow(x: Array) -> Array:
        begun.set()
        returns.wait(60)
        return x

    def attach_slow(name: str, timeout: float = 60) -> Attachment:
        zeros = {"data_type": "TYPE_FP32", "dims": [1], "zero_data": True}
        config = {"model_warmup": [{"name": "zeros", "batch_size": 1, "inputs": {"x": zeros}}]}
        return attach(run_dir, slow, name=name, inputs=[X], outputs=[Y], triton_config=config, attach_timeout=timeout)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(attach_slow, "slow")
        try:
            assert begun.wait(60)
            quick = attach(run_dir, lambda x: x * 3, name="quick", inputs=[X], outputs=[Y], attach_timeout=20)
            assert call(host, "quick", 1) == [3]
            with pytest.raises(AttachError, match=r"model given_up version 1 is not served after 0\.2 s"):
                attach_slow("given_up", timeout=0.2)
        finally:
            returns.set()
        model = waiting.result()
    assert call(host, "slow", 1) == [1]
    assert not is_served(host, "given_up")
    for each in (model, quick):
        each.remove()


def test_a_daemon_that_does_not_allow_it(tmp_path: Path) -> None:
    with pytest.raises(AttachError) as refused:
        attach(tmp_path, lambda x: x, name="nowhere", inputs=[X], outputs=[Y])
    assert str(refused.value) == (
        f"{tmp_path}: no daemon takes callables there (No such file or directory); start one with pytriton-host serve "
        "--allow attach --run-dir DIR, and name that folder"
    )


def test_the_socket_is_the_users_alone(host: RunningHost, run_dir: Path) -> None:
    (folder,) = run_dir.glob("pytriton-host-*")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "attach.sock")] == [0o700, 0o600]


WRONG = [
    (Model, {}, "attach(Model): it is a class; write an instance: Model()"),
    (3, {}, "attach(int): int is not callable; write a function, or an object with __call__"),
    ([], {"name": "none"}, "the list of callables is empty; write a callable for each worker"),
    (lambda x: x, {}, 'attach(<lambda>): <lambda> is not a name for a model; write name="my_model"'),
    (
        [times, awaited],
        {"name": "mixed"},
        "attach(a list of 2 callables): callable 1 of the list has another form than callable 0; write all alike",
    ),
    (lambda y: y, {"name": "m"}, "no parameter takes input 'x'; add a parameter x, or **inputs"),
    (times, {"workers": 2}, "attach: unknown argument 'workers'"),
]


@pytest.mark.parametrize(("target", "more", "message"), WRONG, ids=range(len(WRONG)))
def test_a_callable_that_cannot_be_served(run_dir: Path, target: Any, more: dict[str, Any], message: str) -> None:
    """The error is raised where it is written; no daemon is asked."""
    with pytest.raises((DeclarationError, TypeError)) as refused:
        attach(run_dir / "none", target, inputs=[X], outputs=[Y], **more)
    assert message in str(refused.value)


def test_two_versions_that_differ_are_attached_at_once(host: RunningHost, run_dir: Path) -> None:
    """Both are set up at the same time; one is served, and the other refused: they share Triton's configuration."""
    together = threading.Barrier(2)

    def attach_version(version: int) -> Attachment | str:
        def warm(x: Array) -> Array:
            together.wait(60)
            return np.zeros((len(x), version), np.float32)

        zeros = {"data_type": "TYPE_FP32", "dims": [1], "zero_data": True}
        config = {"model_warmup": [{"name": "zeros", "batch_size": 1, "inputs": {"x": zeros}}]}
        output = Tensor("y", np.float32, (version,))
        try:
            return attach(
                run_dir, warm, name="twins", version=version, inputs=[X], outputs=[output], triton_config=config
            )
        except AttachError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(attach_version, (1, 2)))
    (served,) = (each for each in found if isinstance(each, Attachment))
    (refused,) = (each for each in found if isinstance(each, str))
    assert "has other inputs, outputs or another max_batch_size than version" in refused
    served.remove()
