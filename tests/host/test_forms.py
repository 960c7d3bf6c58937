"""Each form of callable in a whole daemon, over gRPC and HTTP."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.traffic.clients import PROTOCOLS, infer
from tests.support.traffic.streams import count, grpc_stream, http_stream, open_grpc

TIMEOUT = 60.0
DEADLINE = 3.0
"""Seconds of a client that waits for no answer: enough for its call to begin."""

PREFIX = "only-a-proxy-knows-"
"""The prefix that makes a parameter a header."""

FORGED = {"x-user": "mallory", "X-User": "mallory", "only-a-proxy-guesses-x-user": "mallory"}
"""Parameters that a client may send with a request."""
ONES = ("one_by_one", "one_by_one_awaited", "OneByOne")
"""Those that take requests one by one."""


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    options = ["--forward-header=x-user", "--forward-header=tenant_id.eu", f"--forward-prefix={PREFIX}"]
    with run_host(MODELS / "forms.py", options=options) as running:
        yield running


def row(*numbers: float) -> dict[str, NDArray[Any]]:
    return {"x": np.array([numbers], np.float32)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("model", "factor"), [("doubled", 2), ("Scaled", 2), ("Awaited", 3), *((each, 1) for each in ONES)]
)
def test_each_form_that_answers_once(host: RunningHost, protocol: str, model: str, factor: int) -> None:
    for numbers in ((1, 2), (3, 4, 5), (6, 7)):
        y = infer(host, protocol, model, row(*numbers))["y"]
        np.testing.assert_array_equal(y, np.array([numbers], np.float32) * factor)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("model", "more"), [("three_at_once", 1), ("three_awaited", 2)])
def test_calls_run_beside_each_other(host: RunningHost, protocol: str, model: str, more: int) -> None:
    with ThreadPoolExecutor(3) as pool:
        inputs = [{"x": np.array([number], np.float32)} for number in (1, 2, 3)]
        answers = list(pool.map(lambda each: infer(host, protocol, model, each)["y"].tolist(), inputs))
    assert answers == [[1 + more], [2 + more], [3 + more]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("model", ["Awaited", *ONES])
def test_an_error_fails_its_request_only(host: RunningHost, protocol: str, model: str) -> None:
    with pytest.raises(InferenceServerException, match="negative"):
        infer(host, protocol, model, row(-1))
    assert infer(host, protocol, model, row(1))["y"].shape == (1, 1)


def test_requests_of_any_shape_make_one_batch(host: RunningHost) -> None:
    """Requests that wait while one runs form a batch; the answer holds the size of its batch."""

    def ask(length: int) -> float:
        y = infer(host, "grpc", "one_by_one", row(*[1] * length))["y"]
        assert y.shape == (1, length)
        return float(y[0, 0])

    with ThreadPoolExecutor(16) as pool:
        wait_until(lambda: max(pool.map(ask, range(1, 17))) > 1, TIMEOUT, "a batch")


def test_an_optional_input_is_in_all_requests_of_a_batch_or_in_none(host: RunningHost) -> None:

    def ask(number: int) -> tuple[float, int]:
        bias = {"bias": np.array([[10]], np.float32)} if number % 2 else {}
        got = infer(host, PROTOCOLS[number // 2 % 2], "one_by_one_alike", {**row(*[number] * (number + 1)), **bias})
        assert got["y"].tolist() == [[number + 10 * (number % 2)] * (number + 1)]
        return float(got["y"][0, 0]), int(got["batch"].item())

    with ThreadPoolExecutor(16) as pool:
        batches = [batch for _ in range(20) for _, batch in pool.map(ask, range(16))]
        wait_until(lambda: max(*batches, *(batch for _, batch in pool.map(ask, range(16)))) > 1, TIMEOUT, "a batch")


@pytest.mark.parametrize("model", ["counted", "counted_async", "CountedClass", "CountedAsyncClass"])
class TestStreams:
    def test_a_response_for_each_yield(self, host: RunningHost, model: str) -> None:
        for number in (5, 0, 1, 12):
            assert grpc_stream(host, model, count(number), "number") == ([[each] for each in range(number)], "")
            events = http_stream(host, model, {"count": [number]})
            assert [event["number"] for event in events] == list(range(number))

    def test_an_error_ends_the_stream_behind_what_was_sent(self, host: RunningHost, model: str) -> None:
        numbers, error = grpc_stream(host, model, count(20), "number")
        assert len(numbers) == 13
        assert "unlucky" in error
        assert http_stream(host, model, {"count": [20]})[-1] == {"error": "unlucky"}
        assert grpc_stream(host, model, count(1), "number") == ([[0]], "")


def response_statistics(host: RunningHost, model: str) -> dict[int, dict[str, int]]:
    """How often each response, by its number, succeeded, failed, was empty or was cancelled."""
    with urllib.request.urlopen(f"http://{host.http}/v2/models/{model}/stats", timeout=TIMEOUT) as answer:
        (model_stats,) = json.load(answer)["model_stats"]
    kinds = ("success", "fail", "empty_response", "cancel")
    found = model_stats.get("response_stats", {})
    return {int(number): {kind: stats[kind]["count"] for kind in kinds} for number, stats in found.items()}


class TestResponseStatistics:
    """Triton's statistics for each response of a stream."""

    def test_each_yielded_answer_arrives_and_then_the_end(self, host: RunningHost) -> None:
        assert grpc_stream(host, "counted_statistics", count(2), "number")[0] == [[0], [1]]
        assert [event["number"] for event in http_stream(host, "counted_statistics", {"count": [3]})] == [0, 1, 2]
        grpc_stream(host, "counted_statistics", count(20), "number")
        zero = {"success": 0, "fail": 0, "empty_response": 0, "cancel": 0}
        expected = {
            **{number: {**zero, "success": 3} for number in (0, 1)},
            2: {**zero, "success": 2, "empty_response": 1},
            3: {**zero, "success": 1, "empty_response": 1},
            **{number: {**zero, "success": 1} for number in range(4, 13)},
            13: {**zero, "fail": 1},
        }
        wait_until(lambda: response_statistics(host, "counted_statistics") == expected, TIMEOUT, "all is reported")

    def test_the_first_thousand_are_enough(self, host: RunningHost) -> None:
        """Statistics are kept for 1000 responses only, because Triton never frees them."""
        assert len(grpc_stream(host, "counted_up", count(1100), "number")[0]) == 1100
        wait_until(lambda: len(response_statistics(host, "counted_up")) >= 1000, TIMEOUT, "they are reported")
        assert sorted(response_statistics(host, "counted_up")) == list(range(1000))

    def test_a_worker_that_ends(self, host: RunningHost) -> None:
        numbers, error = grpc_stream(host, "counted_up", count(-1), "number")
        assert numbers == [[0]]
        assert "its worker ended" in error
        wait_until(
            lambda: response_statistics(host, "counted_up").get(1, {}).get("fail") == 1, TIMEOUT, "the loss is reported"
        )

    def test_a_client_that_leaves(self, host: RunningHost) -> None:
        closed = host.log.count("endless_async: closed")
        with open_grpc(host, "endless_async", count(0)) as receive:
            receive()
        wait_until(lambda: host.log.count("endless_async: closed") > closed, TIMEOUT, "the generator is closed")
        wait_until(
            lambda: sum(each["cancel"] for each in response_statistics(host, "endless_async").values()) > 0,
            TIMEOUT,
            "the cancellation is reported",
        )


def test_streams_run_beside_each_other(host: RunningHost) -> None:
    """One stream over each protocol."""
    with ThreadPoolExecutor(2) as pool:
        events = pool.submit(http_stream, host, "TwoAtOnce", {"count": [3]})
        assert grpc_stream(host, "TwoAtOnce", count(3), "number") == ([[0], [1], [2]], "")
        assert [event["number"] for event in events.result()] == [0, 1, 2]


@pytest.mark.parametrize("model", ["endless", "endless_async"])
class TestLeavingStreams:
    def test_a_client_that_cancels_closes_the_generator(self, host: RunningHost, model: str) -> None:
        closed = host.log.count(f"{model}: closed")
        with open_grpc(host, model, count(0)) as receive:
            assert receive().as_numpy("number").tolist() == [[0]]
        wait_until(lambda: host.log.count(f"{model}: closed") > closed, TIMEOUT, "the generator is closed")
        assert grpc_stream(host, "counted", count(1), "number") == ([[0]], "")

    def test_an_http_client_that_leaves_closes_the_generator(self, host: RunningHost, model: str) -> None:
        closed = host.log.count(f"{model}: closed")
        assert len(http_stream(host, model, {"count": [0]}, most=3)) == 3
        wait_until(lambda: host.log.count(f"{model}: closed") > closed, TIMEOUT, "the generator is closed")


@pytest.mark.parametrize("how", ["cancel", "deadline"])
@pytest.mark.parametrize("model", ["until_cancelled", "awaited_until_cancelled"])
def test_a_cancelled_request_reaches_the_callable(host: RunningHost, model: str, how: str) -> None:
    """It does for a cancellation by the client and for an exceeded deadline."""

    def noted(word: str) -> int:
        return host.log.count(f" {model}: {word}\n")

    before, called = noted("cancelled"), noted("called")
    x = tritonclient.grpc.InferInput("x", [1, 1], "FP32")
    x.set_data_from_numpy(np.ones((1, 1), np.float32))
    with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
        deadline = DEADLINE if how == "deadline" else None
        call = client.async_infer(model, [x], callback=lambda result, error: None, client_timeout=deadline)
        wait_until(lambda: noted("called") > called, TIMEOUT, "the callable runs")
        if how == "cancel":
            call.cancel()
        wait_until(lambda: noted("cancelled") > before, TIMEOUT, f"the callable sees the {how}")


class TestContext:
    def test_over_grpc(self, host: RunningHost) -> None:
        x = tritonclient.grpc.InferInput("x", [1, 2], "FP32")
        x.set_data_from_numpy(np.array([[1, 2]], np.float32))
        with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
            result = client.infer(
                "told",
                [x],
                request_id="r-1",
                parameters={"text": "ä", "whole": -7, "yes": True},
                timeout=250_000,
                sequence_id=5,
                sequence_start=True,
                headers={
                    f"{PREFIX}x-user": "ada",
                    f"{PREFIX}tenant_id.eu": "t1",
                    f"{PREFIX}tenant_id-eu": "no",
                    "x-user": "mallory",
                    "x-other": "no",
                },
            )
        response = result.get_response()
        echoed = {
            name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in response.parameters.items()
        }
        assert result.as_numpy("y").tolist() == [[2, 4]]
        assert response.id == "r-1"
        expected = {
            "id": "r-1",
            "correlation_id": "5",
            "rows": 1,
            "headers": "tenant_id.eu,x-user",
            "got_x-user": "ada",
        }
        expected |= {"timeout": 0.25, "sequence": 1, "got_tenant_id.eu": "t1"}
        echoed = {name: value for name, value in echoed.items() if not name.startswith("sequence_")}
        assert echoed == {**expected, "got_text": "ä", "got_whole": -7, "got_yes": True}

    def test_over_http(self, host: RunningHost) -> None:
        body = {
            "id": "r-2",
            "parameters": {"text": "ä", "whole": 7, "yes": False, "sequence_id": "s", "sequence_end": True},
            "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}],
        }
        connection = http.client.HTTPConnection(host.http, timeout=TIMEOUT)
        headers = {f"{PREFIX.title()}X-User": "grace", f"{PREFIX}Tenant_Id.eu": "t2", "X-Other": "no"}
        connection.request("POST", "/v2/models/told/infer", json.dumps(body), headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        assert answer["outputs"][0]["data"] == [2, 4]
        expected = {
            "id": "r-2",
            "correlation_id": "s",
            "rows": 1,
            "headers": "tenant_id.eu,x-user",
            "got_x-user": "grace",
        }
        expected |= {"timeout": 0.0, "sequence": 2, "got_tenant_id.eu": "t2"}
        echoed = {name: value for name, value in answer["parameters"].items() if not name.startswith("sequence_")}
        assert echoed == {**expected, "got_text": "ä", "got_whole": 7, "got_yes": False}

    def test_parameters_of_a_grpc_client_are_not_headers(self, host: RunningHost) -> None:
        x = tritonclient.grpc.InferInput("x", [1, 1], "FP32")
        x.set_data_from_numpy(np.ones((1, 1), np.float32))
        with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
            result = client.infer("told", [x], parameters=FORGED, headers={"x-user": "mallory"})
        echoed = result.get_response().parameters
        assert echoed["headers"].string_param == ""
        assert {echoed[f"got_{name}"].string_param for name in FORGED} == {"mallory"}

    @pytest.mark.parametrize("path", ["infer", "generate", "generate_stream"])
    def test_parameters_of_an_http_client_are_not_headers(self, host: RunningHost, path: str) -> None:
        """Neither a client's own header nor a parameter named like a header becomes one."""
        x = {"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1]}
        body = {"inputs": [x], "parameters": FORGED} if path == "infer" else {"x": [1], **FORGED}
        connection = http.client.HTTPConnection(host.http, timeout=TIMEOUT)
        connection.request("POST", f"/v2/models/told/{path}", json.dumps(body), {"X-User": "mallory"})
        answer = json.loads(connection.getresponse().read().removeprefix(b"data: "))
        connection.close()
        echoed = answer["parameters"] if path == "infer" else answer
        assert echoed["headers"] == ""
        assert {echoed[f"got_{name}"] for name in FORGED} == {"mallory"}

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_one_request_is_failed(self, host: RunningHost, protocol: str) -> None:
        module: Any = tritonclient.grpc if protocol == "grpc" else tritonclient.http
        x = module.InferInput("x", [1, 1], "FP32")
        x.set_data_from_numpy(np.ones((1, 1), np.float32))
        with (
            module.InferenceServerClient(host.grpc if protocol == "grpc" else host.http) as client,
            pytest.raises(InferenceServerException, match="as you wish"),
        ):
            client.infer("told", [x], parameters={"fail": True})

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_empty_arrays_of_many_sizes(self, host: RunningHost, protocol: str) -> None:
        for length in (1, 100_000, 7, 3_000_000, 100_000):
            x = np.arange(length, dtype=np.float32)[None]
            np.testing.assert_array_equal(infer(host, protocol, "told", {"x": x})["y"], x * 2)


class TestInfer:
    """`pytriton-host infer` and the printed sample requests, for a model that streams."""

    def run(self, host: RunningHost, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytriton_plugins", "infer", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)

    def test_each_response_is_shown(self, host: RunningHost) -> None:
        done = self.run(host, "counted", "count=2", "--json", f"--url={host.grpc}")
        values = [json.loads(line)["outputs"]["number"]["values"] for line in done.stdout.splitlines()]
        assert (values, done.returncode) == ([[[0]], [[1]]], 0)

    def test_an_error_that_ends_the_stream_is_one_line(self, host: RunningHost) -> None:
        done = self.run(host, "counted_async", "count=14", f"--url={host.grpc}")
        assert done.stdout.count("INT32") == 13
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "unlucky" in done.stderr

    def test_over_http_it_says_what_to_do(self, host: RunningHost) -> None:
        done = self.run(host, "counted", "count=1", f"--url=http://{host.http}")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "write --url grpc://HOST:PORT, or use curl -N with" in done.stderr

    def test_the_curl_line_reads_the_stream(self, host: RunningHost) -> None:
        (line,) = [line for line in host.output.splitlines() if line.startswith("curl") and "/counted/" in line]
        assert f"/v2/models/counted/generate_stream -d '{json.dumps({'count': [1]})}'" in line
        assert http_stream(host, "counted", {"count": [1]})[0]["number"] == 0
