"""Clients that send one request after the other for as long as a fault lasts, and never send one twice."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import attrs
from tritonclient.utils import InferenceServerException

from tests.support.traffic.clients import PROTOCOLS, Arrays, asked_inputs, client_module

_PAUSE_AFTER_ERROR = 0.01
"""Seconds before the next request after an error: a closed port refuses 20000 times a second."""

_CHANNEL = [("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 100)]
"""Each client has a connection of its own, and soon another where one was refused."""


@attrs.frozen
class Sent:
    """One request: when it was sent and when it ended, by the monotonic clock, and the error if it failed.

    ``by`` names the server that answered, where the load can tell.
    """

    protocol: str
    began: float
    ended: float
    error: str = ""
    by: str = ""


class Served(Protocol):
    """The address of a server, or of a balancer before several; each is ``ADDRESS:PORT``."""

    @property
    def http(self) -> str: ...

    @property
    def grpc(self) -> str: ...


class Client:
    """One connection over ``protocol``; each request ends within ``timeout`` seconds. Close it in the end."""

    def __init__(self, host: Served, protocol: str, timeout: float) -> None:
        self.protocol = protocol
        self._module = client_module(protocol)
        self._limit = {"client_timeout": timeout} if protocol == "grpc" else {}
        self._client: Any = (
            self._module.InferenceServerClient(host.grpc, channel_args=_CHANNEL)
            if protocol == "grpc"
            else self._module.InferenceServerClient(host.http, network_timeout=timeout)
        )

    def send(
        self,
        model: str,
        inputs: Arrays,
        right: Callable[[Arrays, Any], bool] = lambda inputs, result: True,
        by: Callable[[Any], str] = lambda result: "",
    ) -> Sent:
        """Send one request and wait for its end; ``right`` and ``by`` are those of `Load`."""
        tensors = asked_inputs(self._module, inputs)
        began, error, server = time.monotonic(), "", ""
        try:
            result = self._client.infer(model, tensors, **self._limit)
            server = by(result)
            error = "" if right(inputs, result) else "a wrong answer"
        except InferenceServerException as failed:
            error = failed.message() or str(failed)
        except (OSError, http.client.HTTPException) as failed:
            error = f"{type(failed).__name__}: {failed}"
        return Sent(self.protocol, began, time.monotonic(), error, server)

    def close(self) -> None:
        self._client.close()


class Load:
    """``clients`` clients of one model; by default half of them over gRPC and half over HTTP."""

    def __init__(
        self,
        host: Served,
        model: str,
        inputs: Callable[[], Arrays],
        *,
        clients: int = 8,
        protocols: tuple[str, ...] = PROTOCOLS,
        anew: tuple[bool, ...] = (False,),
        timeout: float = 30.0,
        pause: float = 0.0,
        right: Callable[[Arrays, Any], bool] = lambda inputs, result: True,
        by: Callable[[Any], str] = lambda result: "",
    ) -> None:
        """``inputs`` makes the inputs of one request; ``anew``: for each client in turn, whether it always reconnects.

        ``pause``: seconds between two requests of a client. ``right``: whether these inputs have that result.
        ``by``: which server sent that result.
        """
        self._right = right
        self._by = by
        self._pause = pause
        self._host = host
        self._model = model
        self._inputs = inputs
        self._timeout = timeout
        self._stop = threading.Event()
        self.sent: list[Sent] = []
        kinds = [(protocols[n % len(protocols)], anew[n // len(protocols) % len(anew)]) for n in range(clients)]
        self._busy = [threading.Lock() for _ in kinds]
        self._threads = [
            threading.Thread(target=self._run, args=(*kind, busy), daemon=True)
            for kind, busy in zip(kinds, self._busy, strict=True)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def end(self) -> None:
        """Send no more requests."""
        self._stop.set()

    def stop(self) -> None:
        """Send no more requests, and wait for those in flight."""
        self.end()
        for thread in self._threads:
            thread.join(self._timeout + 10)
            assert not thread.is_alive(), "a client waits for ever"

    @property
    def failed(self) -> list[Sent]:
        return [each for each in [*self.sent] if each.error]

    def forget(self) -> int:
        """Forget the requests until now that were answered rightly; returns how many these were."""
        count = len(self.sent)
        failed = [each for each in self.sent[:count] if each.error]
        self.sent[:count] = failed
        return count - len(failed)

    def in_flight(self, moment: float) -> list[Sent]:
        """The requests that were in flight at ``moment``."""
        return [each for each in [*self.sent] if each.began <= moment < each.ended]

    def answered_after(self, moment: float) -> float | None:
        """The time of the first answer to a request that was sent after ``moment``."""
        ends = [each.ended for each in [*self.sent] if each.began > moment and not each.error]
        return min(ends) if ends else None

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Hold back every request as long as the block lasts; the clients must have a pause."""
        with contextlib.ExitStack() as stack:
            for busy in self._busy:
                stack.enter_context(busy)
            yield

    def _run(self, protocol: str, anew: bool, busy: threading.Lock) -> None:
        while not self._stop.is_set():
            with contextlib.closing(Client(self._host, protocol, self._timeout)) as client:
                while not self._stop.is_set():
                    with busy:
                        sent = client.send(self._model, self._inputs(), self._right, self._by)
                        self.sent.append(sent)
                    if pause := max(self._pause, _PAUSE_AFTER_ERROR if sent.error else 0.0):
                        self._stop.wait(pause)
                    if anew:
                        break
