"""Clients that send requests as bytes, check the answers, and sometimes leave before an answer."""

from __future__ import annotations

import http.client
import random
import socket
import time
from typing import Protocol

import grpc

from tests.support.traffic.raw_requests import Request

METHOD = "/inference.GRPCInferenceService/ModelInfer"
OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Otherwise all channels of a process share one connection, which stays open.
    ("grpc.use_local_subchannel_pool", 1),
]
MAX_SECONDS_BEFORE_LEAVING = 0.004
TIMEOUT = 60.0
ANSWERED, TOO_LATE = "answered", "answered before the client left"
EXPIRED, CANCELLED, CLOSED = "left by a deadline", "left by cancelling", "left by closing the connection"
HTTP_ANSWERED, HTTP_CLOSED = "answered over HTTP", "left by closing the HTTP connection"
HTTP_CUT = "left in the middle of an HTTP request"
ENDS = (ANSWERED, TOO_LATE, EXPIRED, CANCELLED, CLOSED, HTTP_ANSWERED, HTTP_CLOSED, HTTP_CUT)
"""The expected ends of a request; any other end is a fault."""


class Client(Protocol):
    """Sends one request at a time; each method returns how the request ended."""

    def ask(self, request: Request) -> str:
        """Send a request, wait for the answer and check it."""

    def leave(self, request: Request) -> str:
        """Send a request and leave before the answer."""


class GrpcClient:
    """A client with its own connection; it makes a new one after it has closed the old one."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self._address = f"127.0.0.1:{port}"
        self._chance = chance
        self._connect()

    def ask(self, request: Request) -> str:
        try:
            answer = self._call(request.grpc, timeout=TIMEOUT)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
        return ANSWERED if answer.endswith(request.content) else "another answer than the request"

    def leave(self, request: Request) -> str:
        leave = self._chance.choice([self._expire, self._cancel, self._close])
        return leave(request, self._chance.uniform(0, MAX_SECONDS_BEFORE_LEAVING))

    def _connect(self) -> None:
        self._channel = grpc.insecure_channel(self._address, OPTIONS)
        # Prepared bytes: making the messages here would cost more than all other work.
        self._call = self._channel.unary_unary(METHOD)

    def _expire(self, request: Request, seconds: float) -> str:
        try:
            self._call(request.grpc, timeout=seconds)
        except grpc.RpcError as error:
            return EXPIRED if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED else f"{error.code().name}: expired"
        return TOO_LATE

    def _cancel(self, request: Request, seconds: float) -> str:
        call = self._call.future(request.grpc)
        time.sleep(seconds)
        answered = call.done()
        call.cancel()
        return TOO_LATE if answered else CANCELLED

    def _close(self, request: Request, seconds: float) -> str:
        call = self._call.future(request.grpc)
        time.sleep(seconds)
        answered = call.done()
        self._channel.close()
        self._connect()
        return TOO_LATE if answered else CLOSED


class HttpClient:
    """The same over HTTP; it leaves after its request or in the middle of it."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self._place = ("127.0.0.1", port)
        self._chance = chance
        self._socket: socket.socket | None = None

    def ask(self, request: Request) -> str:
        try:
            connection = self._connected()
            connection.sendall(request.http)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._close()
            return f"HTTP: {type(error).__name__}: {error}"
        if answer.status != 200:
            return f"HTTP {answer.status}: {content[:200]!r}"
        return HTTP_ANSWERED if content.endswith(request.content) else "another answer than the request, over HTTP"

    def leave(self, request: Request) -> str:
        whole = self._chance.random() < 0.5
        sent = len(request.http) if whole else self._chance.randrange(1, len(request.http))
        try:
            self._connected().sendall(request.http[:sent])
        except OSError as error:
            return f"HTTP: {type(error).__name__}: {error}"
        finally:
            time.sleep(self._chance.uniform(0, MAX_SECONDS_BEFORE_LEAVING))
            self._close()
        return HTTP_CLOSED if whole else HTTP_CUT

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._place, timeout=TIMEOUT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
