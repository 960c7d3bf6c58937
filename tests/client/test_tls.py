"""TLS: a proxy with a certificate of its own stands before a host."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator

import pytest

from pytriton_plugins.client import Client, WrongServer
from pytriton_plugins.testing import RunningHost
from tests.client.conftest import PROTOCOLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The files of a certificate for localhost, which is its own authority, and of its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", files[0], "-keyout", files[1]]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl")
    return files


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until one of the two ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def tls_proxy(address: str, certificate: tuple[str, str], *, mutual: bool = False) -> Iterator[int]:
    """The port of a proxy that speaks TLS and passes the content on to ``address``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate[0])
    host, port = address.split(":")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def connect(plain: socket.socket) -> None:
            with contextlib.suppress(OSError), plain:
                client = context.wrap_socket(plain, server_side=True)
                with client, socket.create_connection((host, int(port))) as server:
                    back = threading.Thread(target=pump, args=(server, client), daemon=True)
                    back.start()
                    pump(client, server)
                    back.join()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=connect, args=(listening.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_certificate_of_an_own_authority(host: RunningHost, certificate: tuple[str, str], protocol: str) -> None:
    with tls_proxy(getattr(host, protocol), certificate) as port:
        url = f"{protocol}s://127.0.0.1:{port}"
        with Client(url, tls_ca=certificate[0]) as client:
            client.wait()
            assert client["echoed", 1](x=4)["y"].tolist() == [[4]]
        with Client(url) as client, pytest.raises(WrongServer, match=r"tls_ca="):
            client["echoed"](x=4)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_certificate_of_the_client(host: RunningHost, certificate: tuple[str, str], protocol: str) -> None:
    ca, key = certificate
    with (
        tls_proxy(getattr(host, protocol), certificate, mutual=True) as port,
        Client(f"{protocol}s://127.0.0.1:{port}", tls_ca=ca, tls_cert=ca, tls_key=key) as client,
    ):
        assert client["echoed", 1](x=4)["y"].tolist() == [[4]]
