"""`pytriton.client.utils`, with clients of tritonclient, and the small modules beside it."""

from __future__ import annotations

import numpy as np
import pytest

from pytriton.client import auth, utils
from pytriton.client.exceptions import PyTritonClientTimeoutError


def test_the_waits_and_the_configuration(url: str) -> None:
    client = utils.create_client_from_url(url)
    utils.wait_for_server_ready(client, timeout_s=60)
    utils.wait_for_model_ready(client, "add_sub", timeout_s=60)
    assert utils.get_model_state(client, "add_sub") == utils.ModelState.READY
    assert utils.get_model_state(client, "nothing") == utils.ModelState.UNAVAILABLE
    config = utils.get_model_config(client, "counted", "1")
    assert (config.model_name, config.decoupled) == ("counted", True)
    assert [(spec.name, spec.shape, spec.dtype, spec.optional) for spec in config.inputs or ()] == [
        ("upto", (1,), np.int32, False),
        ("fails", (1,), np.bool_, True),
    ]
    with pytest.raises(PyTritonClientTimeoutError, match=r"^model nothing: not ready after 0\.1 s"):
        utils.get_model_config(client, "nothing", timeout_s=0.1)
    client.close()


@pytest.mark.parametrize(
    ("url", "parts", "whole"),
    [
        ("localhost", ("http", "localhost", 8000), "http://localhost:8000"),
        ("host:9", ("http", "host", 9), "http://host:9"),
        ("grpc://host", ("grpc", "host", 8001), "grpc://host:8001"),
        ("GRPC://host:9/", ("grpc", "host", 9), "grpc://host:9"),
        ("[::1]", ("http", "::1", 8000), "http://[::1]:8000"),
        ("grpcs://host", ("grpcs", "host", 8001), "grpcs://host:8001"),
    ],
)
def test_a_url(url: str, parts: tuple[str, str, int], whole: str) -> None:
    made = utils.TritonUrl.from_url(url)
    assert (made.scheme, made.hostname, made.port) == parts
    assert (made.with_scheme, made.without_scheme) == (whole, whole.partition("://")[2])


def test_an_access_token() -> None:
    http, grpc = (auth.create_auth_headers("secret", protocol) for protocol in ("http", "grpc"))
    assert http == {"triton-access-token": "secret"}
    assert grpc == {"triton-grpc-protocol-triton-access-token": "secret"}
    assert [auth.extract_access_token_from_headers(headers) for headers in (http, grpc, None)] == [
        "secret",
        "secret",
        None,
    ]
    with pytest.raises(ValueError, match=r"^access_token: empty"):
        auth.create_auth_headers("", "http")
