"""Invalid results of a callable: the client gets a clear error, and the next request works."""

from __future__ import annotations

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, wait_until
from tests.support.traffic.clients import attempt, infer, post, texts

WRONG = {
    "raises": "Odd: no luck with 1, see results.py",
    "none": "model 'results': the callable returned None; return an array for 'y'",
    "wrong name": "model 'results': the callable returned an unknown output 'z'; declared: 'y'",
    "wrong shape": "model 'results': output 'y' has shape (1, 4), expected (1, 3): the declared (B, 3) with 1 rows",
    "wrong rows": "model 'results': output 'y' has 2 rows, expected 1: got shape (2, 3) for (B, 3)",
    "wrong rank": "model 'results': output 'y' has shape (1,), expected (1, 3): the declared (B, 3) with 1 rows",
    "float64": "model 'results': output 'y' is an array of float64, expected np.float32; write .astype(np.float32)",
    "objects": "model 'results': output 'y' is an array of object, expected np.float32; write .astype(np.float32)",
}


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("what", WRONG)
def test_each_wrong_result_is_one_clear_sentence(host: RunningHost, protocol: str, what: str) -> None:
    failed = attempt(host, protocol, "results", {"what": texts(what)})
    assert failed.error == WRONG[what]
    assert failed.status in ("500", "StatusCode.INTERNAL")
    assert infer(host, protocol, "results", {"what": texts("good")})["y"].tolist() == [[7, 7, 7]]


def test_the_traceback_is_in_the_log_only(host: RunningHost) -> None:
    status, answer = post(host, "/v2/models/results/infer", what("raises"))
    assert (status, answer) == (500, {"error": WRONG["raises"]})
    wait_until(lambda: "results.Odd: no luck with 1" in host.log, what="the log has the exception")
    assert "Traceback (most recent call last)" in host.log


def test_a_request_error_is_http_400_with_its_own_text(host: RunningHost) -> None:
    status, answer = post(host, "/v2/models/results/infer", what("refuses"))
    assert (status, answer) == (400, {"error": "the client should know better"})


def test_a_code_that_triton_does_not_have_is_the_models_mistake(host: RunningHost) -> None:
    status, answer = post(host, "/v2/models/results/infer", what("because code INVALID_ARGUMENT"))
    assert status == 500
    assert answer["error"].startswith(
        "ValueError: RequestError: unknown code 'INVALID_ARGUMENT'; write INVALID_ARG, or"
    )


def test_an_array_of_5_gb_is_refused_with_need_limit_and_remedy(host: RunningHost, protocol: str) -> None:
    failed = attempt(host, protocol, "large", {"bytes": np.array([[5 << 30]])})
    assert failed.status in ("503", "StatusCode.UNAVAILABLE")
    assert "needs 5120.0 MiB of shared memory" in failed.error
    assert "limit of the model is 2048.0 MiB" in failed.error
    assert "--shm-max" in failed.error
    assert infer(host, protocol, "large", {"bytes": np.array([[5]])})["y"].tolist() == [[1] * 5]


def what(result: str) -> dict[str, object]:
    """A request as JSON."""
    return {"inputs": [{"name": "what", "datatype": "BYTES", "shape": [1, 1], "data": [result]}]}
