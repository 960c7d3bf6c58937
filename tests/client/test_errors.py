"""Every class of error, from a real cause."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pytriton_plugins.client
from pytriton_plugins.client import (
    AsyncClient,
    Client,
    ClientClosed,
    ClientError,
    DeadlineExceeded,
    InvalidInput,
    InvalidUrl,
    ModelFailed,
    ModelNotFound,
    NotFound,
    RequestCancelled,
    Unavailable,
    Unsupported,
    WrongServer,
)
from pytriton_plugins.errors import PytritonPluginsError
from pytriton_plugins.testing import RunningHost, run_host
from tests.client.conftest import PROTOCOLS
from tests.support.paths import MODELS

CLASSES = {
    "INTERNAL": ModelFailed,
    "NOT_FOUND": NotFound,
    "INVALID_ARG": InvalidInput,
    "UNAVAILABLE": Unavailable,
    "UNSUPPORTED": Unsupported,
    "ALREADY_EXISTS": ClientError,
    "CANCELLED": RequestCancelled,
    "UNKNOWN": ModelFailed,
}
NOT_OVER_HTTP = ("ALREADY_EXISTS", "CANCELLED", "UNKNOWN")
"""Triton answers these codes with status 400."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def made(url: str) -> None:
    Client(url)


def called(url: str, model: str, /, **inputs: Any) -> None:
    with Client(url) as client:
        client[model](**inputs)


def called_after_close(url: str) -> None:
    client = Client(url)
    client.close()
    client["echoed"](x=1)


CAUSES: dict[type[ClientError], Callable[[RunningHost], None]] = {
    ClientError: lambda host: called(host.grpc, "failing", code="ALREADY_EXISTS"),
    InvalidInput: lambda host: called(host.grpc, "add", a=[[1]]),
    NotFound: lambda host: called(host.grpc, "failing", code="NOT_FOUND"),
    ModelNotFound: lambda host: called(host.grpc, "nothing"),
    Unavailable: lambda host: called(f"127.0.0.1:{free_port()}", "add"),
    DeadlineExceeded: lambda host: called(host.grpc, "waiting", seconds=60, timeout=0.2),
    RequestCancelled: lambda host: called(host.grpc, "failing", code="CANCELLED"),
    Unsupported: lambda host: called(host.grpc, "told", words=[["a"]], count=1),
    ModelFailed: lambda host: called(host.grpc, "failing", code="oh no"),
    WrongServer: lambda host: called(host.http, "add"),
    InvalidUrl: lambda host: made("ftp://host"),
    ClientClosed: lambda host: called_after_close(host.grpc),
}


def test_every_class_has_a_cause_here() -> None:
    exported = {getattr(pytriton_plugins.client, name) for name in pytriton_plugins.client.__all__}
    assert set(CAUSES) == {each for each in exported if issubclass(each, ClientError)}


@pytest.mark.parametrize("kind", CAUSES, ids=lambda kind: str(kind.__name__))
def test_a_cause_raises_its_class_in_one_line(host: RunningHost, kind: type[ClientError]) -> None:
    with pytest.raises(ClientError) as raised:
        CAUSES[kind](host)
    assert type(raised.value) is kind
    assert "\n" not in str(raised.value)
    assert raised.value.code


def test_a_package_that_is_not_installed(host: RunningHost, tmp_path: Path) -> None:
    (tmp_path / "aiohttp.py").write_text("raise ImportError('none here')")
    program = f"from pytriton_plugins.client import Client; Client('http://{host.http}')"
    command, environment = [sys.executable, "-c", program], {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    kind, _, message = done.stderr.splitlines()[-1].partition(": ")
    hint = "which the URL needs; run: pip install 'pytriton-plugins[http]', or write grpc://"
    assert (kind.rpartition(".")[2], message) == ("Unsupported", f"aiohttp is not installed, {hint}")


@pytest.mark.parametrize("code", CLASSES)
def test_the_code_of_a_model_chooses_the_class(client: Client, code: str) -> None:
    with pytest.raises(ClientError) as raised:
        client["failing"](code=code)
    if client.url.startswith("http") and code in NOT_OVER_HTTP:
        assert (type(raised.value), raised.value.code) == (InvalidInput, "INVALID_ARG")
    else:
        assert (type(raised.value), raised.value.code) == (CLASSES[code], code)
    assert str(raised.value) == f"model failing: asked for {code}"
    assert raised.value.model == "failing"
    assert isinstance(raised.value, PytritonPluginsError)


def test_an_exception_of_the_model(client: Client) -> None:
    with pytest.raises(ModelFailed, match=r"^model failing: ValueError: oh no$"):
        client["failing"](code="oh no")


def test_a_worker_that_ends(client: Client) -> None:
    with pytest.raises(Unavailable, match=r"^model failing: "):
        client["failing"](code="exit")
    client["failing"].wait()


def test_the_error_of_a_future(client: Client) -> None:
    future = client["failing"].submit(code="UNAVAILABLE")
    assert isinstance(future.exception(60), Unavailable)


def test_a_model_that_does_not_exist(client: Client) -> None:
    with pytest.raises(ModelNotFound) as raised:
        client["nothing"](x=1)
    found = "Request for unknown model: 'nothing' is not found"
    assert str(raised.value) == f"model nothing: {found}; check the name and the version"
    with pytest.raises(ModelNotFound):
        client["a/b ?"](x=1)


def test_a_model_that_streams_is_not_called(client: Client) -> None:
    with pytest.raises(Unsupported, match=r'^model told streams its responses; write client\["told"\]\.stream\(…\)$'):
        client["told"](words=[["a"]], count=1)


def test_no_response_in_time(client: Client) -> None:
    client["waiting"].describe()
    with pytest.raises(DeadlineExceeded) as raised:
        client["waiting"](seconds=60, timeout=0.5)
    hint = "pass a longer timeout="
    assert str(raised.value) == f"model waiting: no response from {client.url} within 0.5 s; {hint}"
    assert isinstance(raised.value, TimeoutError)
    future = client["waiting"].submit(seconds=60, timeout=0.5)
    assert isinstance(future.exception(60), DeadlineExceeded)


def test_a_closed_client(url: str) -> None:
    client = Client(url)
    client["echoed"](x=1)
    client.close()
    client.close()
    for call in (lambda: client["echoed"](x=1), client.is_ready, client.wait, lambda: client["echoed"].submit(x=1)):
        with pytest.raises(ClientClosed, match=r"^the client is closed; make another one$"):
            call()


def test_a_client_that_is_closed_meanwhile(url: str) -> None:
    client = Client(url)
    future = client["waiting"].submit(seconds=30, id="closed meanwhile")
    client.close()
    with pytest.raises(RequestCancelled):
        future.result(60)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_server(protocol: str) -> None:
    with Client(f"{protocol}://127.0.0.1:{free_port()}", connect_timeout=0.2) as client:
        with pytest.raises(Unavailable) as raised:
            client["add"](a=[[1]])
        assert str(raised.value).startswith(f"{client.url}: no server answers (")
        assert str(raised.value).endswith("); check the address, or start the server")
        assert not client.is_ready()
        with pytest.raises(DeadlineExceeded, match=rf"^{client.url}: not ready after 0\.3 s: "):
            client.wait(0.3)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_name_that_does_not_resolve(protocol: str) -> None:
    with Client(f"{protocol}://nowhere.invalid", connect_timeout=0.1) as client, pytest.raises(Unavailable):
        client["add"](a=[[1]])


def test_the_wrong_protocol(host: RunningHost) -> None:
    cases = (
        (f"http://{host.grpc}", "HTTP", "grpc:// if that is the other port, or https:// for a server with TLS"),
        (f"grpc://{host.http}", "gRPC", "http:// if that is the other port, or grpcs:// for a server with TLS"),
        (f"https://{host.http}", "HTTP", "check the certificates (tls_ca=), or write http:// for a server without TLS"),
        (f"grpcs://{host.grpc}", "gRPC", "check the certificates (tls_ca=), or write grpc:// for a server without TLS"),
    )
    with ThreadPoolExecutor() as pool:  # those of gRPC try for two seconds
        errors = [pool.submit(called, url, "add", a=[[1]], b=[[1]]) for url, _, _ in cases]
    for (url, name, hint), error in zip(cases, errors, strict=True):
        with pytest.raises(WrongServer) as raised:
            error.result()
        assert str(raised.value).startswith(f"{url}: no Triton answers there over {name} (")
        assert str(raised.value).endswith(hint)


def test_a_wait_for_the_wrong_protocol_ends_early(host: RunningHost) -> None:
    """Not at once: the port that a container publishes also closes connections until its server listens."""
    with Client(f"grpc://{host.http}") as client, pytest.raises(WrongServer, match=r"^grpc://.*: no Triton answers"):
        client.wait(300)


def test_another_http_server(host: RunningHost) -> None:
    with Client(f"http://{host.metrics}") as client, pytest.raises(WrongServer, match=r"check that a Triton answers"):
        client["add"](a=[[1]], b=[[1]])
    with Client(f"http://{host.metrics}") as client, pytest.raises(WrongServer, match=r"check that a Triton answers"):
        client.is_ready()


@pytest.fixture
def ending(request: pytest.FixtureRequest) -> Iterator[tuple[RunningHost, Client]]:
    """A host of its own, and a client that has used it."""
    with (
        run_host(MODELS / "called.py") as running,
        Client(f"{request.param}://{getattr(running, request.param)}", connect_timeout=30) as client,
    ):
        client["echoed"](x=1)
        yield running, client


def kill_server(host: RunningHost) -> None:
    """SIGKILL to the tritonserver of ``host``."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue
        if name == "tritonserver" and int(words[1]) == host.process.pid:
            os.kill(int(folder.name), signal.SIGKILL)


async def lost_stream(host: RunningHost, url: str) -> None:
    """Kill the server in the middle of an asynchronous stream."""
    async with AsyncClient(url) as client:
        stream = client["endless"].stream(x=2)
        await anext(stream)
        kill_server(host)
        with pytest.raises(Unavailable, match=r": the connection to .* was lost \(.*; the request may have run"):
            [part async for part in stream]


@pytest.mark.parametrize("ending", PROTOCOLS, indirect=True)
def test_a_server_that_goes_away(ending: tuple[RunningHost, Client]) -> None:
    """In the middle of a request and of a stream; the next call waits for the server that replaces it."""
    host, client = ending
    future = client["waiting"].submit(seconds=60)
    stream = client["endless"].stream(x=1)
    first = next(stream)
    asyncio.run(lost_stream(host, client.url))
    for get in (lambda: future.result(60), lambda: [*stream]):
        with pytest.raises(Unavailable) as raised:
            get()
        assert f": the connection to {client.url} was lost (" in str(raised.value)
        assert str(raised.value).endswith("); the request may have run, so it was not sent again")
    assert first["y"].tolist() == [[0]]
    client.wait()
    assert client["echoed", 1](x=5)["y"].tolist() == [[5]]


@contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[tuple[Client, list[bytes]]]:
    """A client of a server that answers one request for each connection, and the requests that it got."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        got.append(connection.recv(1 << 16))
                        connection.sendall(answer(got[-1]))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            with Client(f"http://127.0.0.1:{listening.getsockname()[1]}") as client:
                yield client, got
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@pytest.mark.parametrize(("status", "code"), [(b"401", "UNAUTHENTICATED"), (b"403", "PERMISSION_DENIED")])
def test_a_wait_at_a_door_that_is_closed_ends_at_once(status: bytes, code: str) -> None:
    answer = b"HTTP/1.1 %b no\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status
    with answering(lambda _: answer) as (client, _):
        waits: list[Callable[[float], None]] = [client.wait, client["add"].wait]
        for wait in waits:
            with pytest.raises(ClientError, match=f"HTTP status {status.decode()}") as raised:
                wait(60)
            assert raised.value.code == code


def test_a_model_that_streams_by_now_is_asked_for_anew() -> None:
    refused = b'{"error": "doesn\'t support models with decoupled transaction policy"}'
    head = b"HTTP/1.1 501 no\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(refused), refused)
    with answering(lambda request: head if request.startswith(b"POST") else with_head(DESCRIBED)) as (client, got):
        for _ in range(2):
            with pytest.raises(Unsupported):
                client["add"](a=[1])
    assert len([request for request in got if request.startswith(b"GET")]) == 4


def test_strings_whose_lengths_are_wrong() -> None:
    document = b'{"outputs": [{"name": "s", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 6}}]}'
    body = document + b"\xff\xff\0\0ab"
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nInference-Header-Content-Length: %d\r\n" % len(document)
    answer = head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    with (
        answering(lambda request: answer if request.startswith(b"POST") else with_head(DESCRIBED)) as (client, _),
        pytest.raises(WrongServer, match=r"invalid response from .* \(ValueError: invalid lengths of strings: "),
    ):
        client["add"](a=[1])


def with_head(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


DESCRIBED = b'{"name": "add", "inputs": [{"name": "a", "datatype": "FP32", "shape": [-1]}]}'


def test_what_was_sent_is_not_sent_again() -> None:
    with (
        answering(lambda request: b"" if request.startswith(b"POST") else with_head(DESCRIBED)) as (client, got),
        pytest.raises(Unavailable, match=r"was not sent again$"),
    ):
        client["add"](a=[1])
    assert len([request for request in got if request.startswith(b"POST")]) == 1


def test_headers_go_with_the_questions_about_a_model_too() -> None:
    with answering(lambda _: with_head(DESCRIBED)) as (client, got):
        client["add"](a=[1], headers={"Authorization": "mine"})
    assert len(got) == 3
    assert all(b"\r\nauthorization: mine\r\n" in request for request in got)


@pytest.mark.parametrize("body", [b"[]", b'{"inputs": []}', b"\xff", b'{"name": "add", "inputs": [3]}', b""])
def test_answers_that_are_not_tritons(body: bytes) -> None:
    with answering(lambda _: with_head(body)) as (client, _), pytest.raises(WrongServer) as raised:
        client["add"](a=[[1]])
    assert str(raised.value).startswith(f"model add: invalid response from {client.url} (")
    assert "\n" not in str(raised.value)
