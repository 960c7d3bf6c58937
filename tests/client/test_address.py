"""The address in a URL."""

from __future__ import annotations

import pytest

from pytriton_plugins.client import Client, InvalidUrl
from pytriton_plugins.client.address import parse_url

EXPECTED = "expected http://HOST:PORT, https://…, grpc://… or grpcs://…"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://host:8000", "http://host:8000"),
        ("https://host", "https://host:8000"),
        ("grpc://host:1/", "grpc://host:1"),
        ("GRPCS://host", "grpcs://host:8001"),
        ("host", "grpc://host:8001"),
        ("127.0.0.1:9", "grpc://127.0.0.1:9"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("[::1]", "grpc://[::1]:8001"),
    ],
)
def test_a_url_without_a_scheme_is_grpc_and_without_a_port_has_the_usual_one(url: str, address: str) -> None:
    assert str(parse_url(url)) == address


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host", "ftp://host: unknown scheme ftp://; write http://HOST:PORT, https://…, grpc://… or grpcs://…"),
        ("", f"invalid URL '': {EXPECTED}"),
        ("http://", f"invalid URL http://: {EXPECTED}"),
        ("host:99999", f"invalid URL host:99999: {EXPECTED}"),
        ("host:0", f"invalid URL host:0: {EXPECTED}"),
        ("http://host:80/v2/models", f"invalid URL http://host:80/v2/models: {EXPECTED}"),
        ("http://me:secret@host", f"invalid URL http://…@host: {EXPECTED}"),
        ("::1", f"invalid URL ::1: {EXPECTED}"),
        (8000, "invalid URL 8000: expected a text such as grpc://HOST:8001"),
    ],
)
def test_a_wrong_url_is_one_line(url: str, message: str) -> None:
    with pytest.raises(InvalidUrl) as raised:
        Client(url)
    assert str(raised.value) == message


def test_files_of_tls_that_cannot_be_used() -> None:
    with pytest.raises(InvalidUrl, match=r"^file '/nowhere' cannot be read: No such file.*; check the path$"):
        Client("grpcs://host", tls_ca="/nowhere")
    with pytest.raises(InvalidUrl, match=r"^the TLS files cannot be used: .*; check tls_ca, tls_cert and tls_key$"):
        Client("https://host", tls_ca="/etc/passwd")
