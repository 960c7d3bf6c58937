"""Calls between models, with a real server: what they return, and how each fault ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from pytriton_plugins.testing.host import PROGRAM
from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host
from tests.support.traffic.clients import Answered, Crowd, asked_inputs, attempt

SETTINGS = """
[models.lone.shm]
initial = "1MiB"
max = "4MiB"

[models.slow.settings]
folder = "{folder}"
"""
LOST = "model lone: its worker ended while it ran this request"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the model slow looks for a file."""
    return tmp_path_factory.mktemp("calls")


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[RunningHost]:
    settings = folder / "pytriton-host.toml"
    settings.write_text(SETTINGS.format(folder=folder))
    with run_host(MODELS / "calls.py", options=[f"--config={settings}"]) as running:
        yield running


@pytest.fixture
def answered(host: RunningHost) -> Callable[..., Answered]:
    def sent(code: str, model: str = "run") -> Answered:
        return attempt(host, "grpc", model, {"code": lines(code)})

    return sent


@pytest.fixture
def reply(answered: Callable[..., Answered]) -> Callable[..., str]:
    """What a model says after it has run lines of Python."""

    def sent(code: str, model: str = "run") -> str:
        answer = answered(code, model)
        return str(answer.outputs["reply"].item().decode()) if answer.outputs else answer.error

    return sent


Reply = Callable[..., str]


def lines(code: str) -> np.ndarray:
    return np.array([code.encode()], object)


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("reply = models['double'](x=x)['y'].tolist()", "[[2.0, 2.0, 2.0, 2.0]]"),
        ("reply = models['double', 1]({'x': x}, outputs=['y'])['y'].tolist()", "[[2.0, 2.0, 2.0, 2.0]]"),
        (
            "reply = models['double'](x=np.asfortranarray(np.ones((2, 2), '>f4')))['y'].tolist()",
            "[[2.0, 2.0], [2.0, 2.0]]",
        ),
        ("reply = models['lone'](code=['reply = 1'])['reply']", "[b'1']"),
        (
            "reply = models['lone'](code=[b'reply = 2'], id='a', parameters={'p': 1}, priority=0)['reply'].item()",
            "b'2'",
        ),
        (
            "reply = models['lone'](code=['reply = ctx.requests[0].parameters'], parameters={'p': 7})['reply'].item()",
            "b\"{'p': 7}\"",
        ),
        (
            "reply = [part['y'].tolist() for part in models['count'].stream(x=np.float32([3]))]",
            "[[0.0], [1.0, 1.0], [2.0, 2.0, 2.0]]",
        ),
        ("reply = models['count'](x=np.float32([1]))['y'].tolist()", "[0.0]"),
        ("reply = int(sum(models['double'](x=x * i)['y'].sum() for i in range(1000)))", "3996000"),
        ("reply = int(models['large'](size=[1 << 22])['y'].sum())", "4194304"),
        (
            "called = models['double']\nreply = called(x=called(x=np.ones((1, 1 << 16), np.float32))['y'])['y'].max()",
            "4.0",
        ),
        ("reply = isinstance(models['double'](x=x), dict) and 'double' or 0", "double"),
    ],
)
def test_a_call_returns_the_outputs(reply: Reply, code: str, what: str) -> None:
    assert reply(code) == what


def test_a_scalar_output_of_a_called_model_is_returned_as_it_is(host: RunningHost) -> None:
    for _ in range(2):
        answer = attempt(host, "grpc", "classify", {"image": np.array([[b"\7\1"], [b"\2\3"]], object)})
        assert (answer.error, answer.outputs["label"].tolist()) == ("", [[b"cat"], ["d\u00f6g".encode()]])


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("return (await models['double'].call(x=x))['y'].tolist()", "[[2.0, 2.0, 2.0, 2.0]]"),
        ("return [part['y'].item() async for part in models['count'].stream(x=np.float32([1]))]", "[0.0]"),
        ("return (await asyncio.to_thread(models['double'], x=x))['y'].tolist()", "[[2.0, 2.0, 2.0, 2.0]]"),
        (
            """calls = [models['double'].call(x=x * i) for i in range(1000)]
return int(sum(outputs['y'].sum() for outputs in await asyncio.gather(*calls)))""",
            "3996000",
        ),
    ],
)
def test_an_awaited_call_returns_the_outputs(reply: Reply, code: str, what: str) -> None:
    assert reply(code, "wait") == what


def test_threads_of_the_callable_call_at_once(reply: Reply) -> None:
    code = """called = models['double']
with ThreadPoolExecutor(80) as pool:
    reply = int(sum(pool.map(lambda i: called(x=x * i)['y'].sum(), range(400))))"""
    assert reply(code) == "638400"


@pytest.mark.parametrize(("model", "parts"), [("produce", [2, 2, 2, 4, 2, 6]), ("aproduce", [4, 6, 8])])
def test_a_model_calls_while_it_streams(host: RunningHost, model: str, parts: list[int]) -> None:
    found: list[float] = []
    ended = threading.Event()

    def take(result: tritonclient.grpc.InferResult | None, error: Exception | None) -> None:
        assert error is None
        if result is not None and result.get_response().outputs:
            found.append(result.as_numpy("y").item())
        if result is None or result.get_response().parameters["triton_final_response"].bool_param:
            ended.set()

    with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
        client.start_stream(take)
        inputs = asked_inputs(tritonclient.grpc, {"x": np.ones((1, 1), np.float32)})
        client.async_stream_infer(model, inputs, enable_empty_final_response=True)
        assert ended.wait(60)
    assert found == parts


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("models['nope'], x=x", "NOT_FOUND: call of model 'nope': "),
        ("models['double', 7], x=x", "NOT_FOUND: call of model 'double': "),
        ("models['double'], z=x", "INVALID_ARG: call of model 'double': unexpected inference input 'z'"),
        (
            "models['double'], x=x.astype('f8')",
            "INVALID_ARG: call of model 'double': inference input 'x' data-type is 'FP64'",
        ),
        ("models['double'], x=x[0]", "INVALID_ARG: call of model 'double': unexpected shape for input 'x'"),
        ("models['double']", "INVALID_ARG: call of model 'double': "),
        (
            "models['double'], x=x, outputs=['z']",
            "INVALID_ARG: call of model 'double': unexpected inference output 'z'",
        ),
        (
            "models['double'], x=1j",
            "INVALID_ARG: call of model 'double': input 'x': Triton has no dtype complex128; pass .astype(…)",
        ),
        (
            "models['double'], {'x': x}, x=x",
            "INVALID_ARG: call of model 'double': input x is given twice; remove one of them",
        ),
        (
            "models['double'], [x]",
            "INVALID_ARG: call of model 'double': the inputs are a list; pass them by keyword, or as one dict by name",
        ),
        (
            "models['double'], x=x, timeout=0",
            "INVALID_ARG: call of model 'double': invalid timeout 0: expected seconds above 0, or None",
        ),
        (
            "models['double'], x=x, outputs='y'",
            "INVALID_ARG: call of model 'double': outputs='y' is not a list; write a list of names",
        ),
        (
            "models['double'], x=x, outputs=['y', ['y']]",
            "INVALID_ARG: call of model 'double': outputs: ['y'] is not a name; write a list of names",
        ),
        (
            "lambda: models['double', []]",
            """TypeError: invalid model ('double', []): write ctx.models["NAME"] or ctx.models["NAME", VERSION]""",
        ),
        (
            "models['double'], x=x, parameters={'a': None}",
            "INVALID_ARG: call of model 'double': parameter 'a' is a NoneType; pass a text, a number, or true or false",
        ),
        (
            "models['double'], x=x, priority=-1",
            "INVALID_ARG: call of model 'double': invalid priority -1: expected a whole number from 0",
        ),
        ("models['count'], x=np.float32([2])", "UNSUPPORTED: call of model 'count': "),
        ("models['count'], x=np.float32([0])", "UNSUPPORTED: call of model 'count': "),
        (
            "lambda: models[3]",
            """TypeError: invalid model 3: write ctx.models["NAME"] or ctx.models["NAME", VERSION]""",
        ),
        ("lambda: 'a' in models", "TypeError: "),
        ("models['lone'], code=['1 / 0']", "INTERNAL: call of model 'lone': ZeroDivisionError: division by zero"),
        ("models['lone'], code=['raise RequestError(\"no\", \"NOT_FOUND\")']", "NOT_FOUND: call of model 'lone': no"),
        ("models['wait'], code=['return error(models[\"double\"], x=x)']", "no error"),
        (
            "models['wait'], code=['await asyncio.sleep(60)'], timeout=0.01",
            "UNAVAILABLE: call of model 'wait': no response within 0.01 s (timeout=)",
        ),
    ],
)
def test_a_call_that_fails(reply: Reply, call: str, error: str) -> None:
    assert reply(f"reply = error({call})").startswith(error)


def test_a_call_that_would_block_its_own_event_loop(reply: Reply) -> None:
    problem = "RuntimeError: ctx.models: a call here would block the event loop, which gets its answer; "
    assert reply("return error(models['double'], x=x)", "wait") == f"{problem}write await ctx.models['double'].call(…)"


def test_the_client_gets_the_error_of_a_chain_of_five(answered: Callable[..., Answered]) -> None:
    code = "await models['outer'].call(x=np.float32([1]))"
    for model in ("wait", "hurried", "lone"):
        code = f"models[{model!r}](code=[{code!r}])"
    answer = answered(code)
    assert answer.status == "StatusCode.INVALID_ARGUMENT"
    chain = "call of model 'lone': call of model 'hurried': call of model 'wait': call of model 'outer': "
    assert answer.error.startswith(f"{chain}unexpected shape for input 'x' for model 'outer'.")


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ('ValueError("one\\ntwo: /no/such/file")', "INTERNAL", "ValueError: one\\ntwo: /no/such/file"),
        ('RequestError("one\\n\\x1b[2Jtwo", "NOT_FOUND")', "NOT_FOUND", "one\\n\\x1b[2Jtwo"),
    ],
)
def test_the_client_gets_an_error_of_the_called_model_on_one_line(
    answered: Callable[..., Answered], fault: str, status: str, text: str
) -> None:
    answer = answered(f"models['lone'](code=[{f'raise {fault}'!r}])")
    assert (answer.status, answer.error) == (f"StatusCode.{status}", f"call of model 'lone': {text}")


def test_many_clients_of_a_model_that_calls(host: RunningHost) -> None:
    with Crowd(host, 16) as crowd:
        answers = [crowd.send("outer", {"x": np.full((1, 2), i, np.float32)}) for i in range(200)]
        assert [answer.result().outputs["y"].tolist() for answer in answers] == [[[2 * i, 2 * i]] for i in range(200)]


@pytest.mark.parametrize("model", ["outer", "keep", "outermost"])
def test_results_of_calls_that_are_returned_unchanged(host: RunningHost, model: str) -> None:
    """They stay in the call segment, which the next batch uses again, unless the callable keeps some."""
    with Crowd(host, 4) as crowd:
        inputs = [np.full((1 + value % 2, 20_000 + value % 3), value, np.float32) for value in range(120)]
        answers = [crowd.send(model, {"x": x}) for x in inputs]
        for x, answer in zip(inputs, answers, strict=True):
            outputs = answer.result(60).outputs
            assert outputs["y"].shape == x.shape
            assert (outputs["y"] == 2 * x).all()


def test_a_call_after_the_batch_was_answered(reply: Reply) -> None:
    code = """kept += [models, models['double'], models['count'].stream(x=np.float32([9]))]
next(kept[2])
reply = 0"""
    assert reply(code, "lone") == "0"
    again = "reply = [error(lambda: kept[0]['double'](x=x)), error(kept[1], x=x), error(next, kept[2])]\nkept.clear()"
    problem = "RuntimeError: ctx.models: the batch of this Context is answered; call models during the call only"
    assert reply(again, "lone") == str([problem] * 3)


def test_arrays_that_the_callable_keeps(reply: Reply) -> None:
    for number in range(6):
        code = f"kept.append(models['double'](x=np.full((1, 5000), {number}, np.float32))['y'])\nreply = 0"
        assert reply(code, "lone") == "0"
    assert reply("reply = [int(array.mean()) for array in kept]\nkept.clear()", "lone") == "[0, 2, 4, 6, 8, 10]"


def test_a_forked_child_does_not_call(reply: Reply, tmp_path: Path) -> None:
    code = f"""models['double'](x=x)
file = Path({str(tmp_path / "child")!r})
child = os.fork()
if not child:
    file.write_text(error(models['double'], x=x))
    os._exit(0)
os.waitpid(child, 0)
reply = file.read_text(), models['double'](x=x)['y'].shape"""
    problem = "RuntimeError: ctx.models: this process was forked from the worker; call models in the worker itself"
    assert reply(code) == str((problem, (1, 4)))


def test_a_result_larger_than_the_callers_memory(reply: Reply) -> None:
    error = reply("reply = error(models['large'], size=[1 << 21])", "lone")
    assert error.startswith(
        "UNAVAILABLE: call of model 'large': calls need 8.0 MiB of shared memory in one piece beside "
    )
    assert "and the limit of the model is 4.0 MiB; raise --shm-max or send less at once" in error
    assert reply("reply = models['large'](size=[1 << 10])['y'].sum()", "lone") == "1024.0"


def test_results_that_only_fit_one_after_the_other(reply: Reply) -> None:
    code = """with ThreadPoolExecutor(8) as pool:
    reply = int(sum(pool.map(lambda i: models['large'](size=[1 << 18])['y'].sum(), range(16))))"""
    assert reply(code, "lone") == str(16 << 18)


def test_the_timeout_of_the_client_ends_a_call(host: RunningHost) -> None:
    inputs = asked_inputs(
        tritonclient.grpc, {"code": lines("reply = error(models['wait'], code=['await asyncio.sleep(60)'])")}
    )
    with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
        error = client.infer("run", inputs, timeout=50_000).as_numpy("reply").item().decode()
    assert error == "UNAVAILABLE: call of model 'wait': no response within 0.05 s (the timeout of the client)"


def test_the_timeout_of_the_caller_ends_a_call(reply: Reply) -> None:
    late = "UNAVAILABLE: call of model 'wait': no response within 0.9 s (the timeout of model 'hurried')"
    code = "reply = error(models['wait'], code=['await asyncio.sleep(60)'])"
    # The worker has a tenth of a second for its answer, which is not enough on a machine that does something else.
    wait_until(lambda: reply(code, "hurried") == late, what="the caller answers in time")


def test_a_call_to_oneself_without_a_free_slot_is_refused(reply: Reply) -> None:
    code = "reply = error(models['lone'], code=['reply = 1'])"
    error = reply(code, "lone")
    assert error.startswith("UNAVAILABLE: call of model 'lone': ")
    assert "lone" in error.partition("'lone': ")[2]


def test_two_models_that_call_each_other_are_refused(reply: Reply) -> None:
    back = "reply = error(models['lone'], code=['reply = 1'])"
    error = reply(f"reply = models['hurried'](code=[{back!r}])['reply'].item().decode()", "lone")
    assert error.startswith("UNAVAILABLE: call of model 'lone': ")
    assert "hurried" in error


def test_a_client_that_leaves_cancels_what_was_called(host: RunningHost, reply: Reply, tmp_path: Path) -> None:
    here, gone = tmp_path / "here", tmp_path / "gone"
    held = f"""Path({str(here)!r}).touch()
try:
    await asyncio.sleep(60)
finally:
    Path({str(gone)!r}).touch()"""
    with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
        inputs = asked_inputs(tritonclient.grpc, {"code": lines(f"models['wait'](code=[{held!r}])")})
        request = client.async_infer("lone", inputs, lambda result, error: None)
        wait_until(here.exists, what="the called model runs")
        request.cancel()
        wait_until(gone.exists, what="the called model is cancelled")
    assert reply("reply = models['double'](x=x)['y'].sum()", "lone") == "8.0"


def test_the_called_model_is_unloaded_loaded_and_reloaded(host: RunningHost, reply: Reply, tmp_path: Path) -> None:
    """A caller that declares it is unloaded with it, and any other one gets an error."""
    pid = f"--pid={host.process.pid}"
    assert call_host("models", "unload", "large", pid).returncode == 0
    call = "reply = error(models['large'], size=[1])"
    assert reply(call, "lone").startswith(("NOT_FOUND: ", "UNAVAILABLE: "))
    assert call_host("models", "load", "large", pid).returncode == 0
    for model in ("large", "run"):
        wait_until(lambda model=model: host.status(f"/v2/models/{model}/ready") == 200, what="it is loaded")  # type: ignore[misc]
    assert reply(call, "lone") == "no error"
    here, free = tmp_path / "here", tmp_path / "free"
    held = (
        f"Path({str(here)!r}).touch()\nwhile not Path({str(free)!r}).exists():\n    time.sleep(0.002)\nreply = 'held'"
    )
    with Crowd(host, 1) as crowd:
        answer = crowd.send("run", {"code": lines(f"reply = models['lone'](code=[{held!r}])['reply'].item()")})
        wait_until(here.exists, what="the called model runs")
        reload = subprocess.Popen([sys.executable, "-c", PROGRAM, "models", "reload", "lone", pid])
        free.touch()
        assert answer.result().outputs["reply"].item() == b"b'held'"
        assert reload.wait(60) == 0
    assert reply("reply = models['lone'](code=['reply = 1'])['reply'].item()") == "b'1'"


def test_the_called_model_is_loading(host: RunningHost, reply: Reply, folder: Path) -> None:
    pid = f"--pid={host.process.pid}"
    assert call_host("models", "unload", "slow", pid).returncode == 0
    (folder / "hold").touch()
    load = subprocess.Popen([sys.executable, "-c", PROGRAM, "models", "load", "slow", pid])
    wait_until((folder / "begun").exists, what="the model's set-up has begun")
    error = reply("reply = error(models['slow'], x=x)", "lone")
    (folder / "hold").unlink()
    assert load.wait(60) == 0
    assert error.startswith(("NOT_FOUND: call of model 'slow': ", "UNAVAILABLE: call of model 'slow': "))
    wait_until(lambda: host.status("/v2/models/slow/ready") == 200, what="it is loaded")
    assert reply("reply = models['slow'](x=x)['y'].sum()", "lone") == "4.0"


def test_the_called_model_loses_its_worker(host: RunningHost, reply: Reply, tmp_path: Path) -> None:
    here = tmp_path / "here"
    code = f"Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\nPath({str(here)!r}).touch()\ntime.sleep(60)"
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(reply(f"reply = error(models['lone'], code=[{code!r}])")))
    thread.start()
    wait_until(here.exists, what="the called model runs")
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    thread.join(60)
    assert found == [f"UNAVAILABLE: call of model 'lone': {LOST}"]
    assert reply("reply = models['lone'](code=['reply = 1'])['reply'].item()") == "b'1'"


def test_the_caller_loses_its_worker(host: RunningHost, reply: Reply, tmp_path: Path) -> None:
    here, gone = tmp_path / "here", tmp_path / "gone"
    held = f"""Path({str(here)!r}).touch()
try:
    await asyncio.sleep(60)
finally:
    Path({str(gone)!r}).touch()"""
    code = f"Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\nmodels['wait'](code=[{held!r}])"
    with Crowd(host, 1) as crowd:
        answer = crowd.send("lone", {"code": lines(code)})
        wait_until(here.exists, what="the called model runs")
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        assert answer.result().error == LOST
    wait_until(gone.exists, what="the call is cancelled")


def test_the_called_model_exceeds_its_timeout(reply: Reply) -> None:
    error = reply("reply = error(models['hurried'], code=['time.sleep(60)'])")
    problem = "model hurried: the callable did not return within the model's timeout of 1 s"
    assert error == f"INTERNAL: call of model 'hurried': {problem}"
    assert reply("reply = models['hurried'](code=['reply = 1'])['reply'].item()") == "b'1'"


def test_a_model_that_is_not_declared_is_logged_once(host: RunningHost, reply: Reply) -> None:
    for _ in range(2):
        assert reply("reply = models['double'](x=x)['y'].sum()", "lone") == "8.0"
    line = "model lone calls model double, which it does not declare; write calls=['double'] in @infer_func"
    workers = {text.split("lone[")[1].split("]")[0] for text in host.log.splitlines() if line in text}
    assert host.log.count(line) == len(workers) >= 1
    assert "model run calls" not in host.log.replace("model run calls model nope", "")
