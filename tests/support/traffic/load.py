"""Clients that send one request after the other for as long as a fault lasts, and never one twice."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import attrs
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from tests.support.traffic.clients import PROTOCOLS, Arrays, asked_inputs

_MODULES: dict[str, Any] = {"grpc": tritonclient.grpc, "http": tritonclient.http}
_AFTER_ERROR = 0.01
"""Seconds that a client thinks about an error: a closed port refuses 20000 times a second."""


@attrs.frozen
class Sent:
    """One request: when it was sent, when it was answered, by the monotonic clock, and the error if it failed.

    ``by`` is who answered, where the load was told how that is to be seen.
    """

    protocol: str
    began: float
    ended: float
    error: str = ""
    by: str = ""


class Served(Protocol):
    """Where clients go, a host or what stands before several: each is ``ADDRESS:PORT``."""

    http: str
    grpc: str


class Load:
    """``clients`` clients of one model, half of them over gRPC and half over HTTP unless told otherwise."""

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
        """``inputs`` makes those of one request; ``anew``: in turn, whether a client connects for each request.

        ``pause``: seconds that a client thinks between two requests. ``right``: whether these inputs have that result.
        ``by``: whose result that is.
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
        """Send no more."""
        self._stop.set()

    def stop(self) -> None:
        """Send no more, and wait for what is in flight."""
        self.end()
        for thread in self._threads:
            thread.join(self._timeout + 10)
            assert not thread.is_alive(), "a client waits for ever"

    @property
    def failed(self) -> list[Sent]:
        return [each for each in [*self.sent] if each.error]

    def forget(self) -> int:
        """Forget the requests until now that were answered rightly; how many these were."""
        count = len(self.sent)
        failed = [each for each in self.sent[:count] if each.error]
        self.sent[:count] = failed
        return count - len(failed)

    def answered_after(self, moment: float) -> float | None:
        """When the first request was answered that was sent after ``moment``."""
        ends = [each.ended for each in [*self.sent] if each.began > moment and not each.error]
        return min(ends) if ends else None

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Meanwhile no request is under way; the clients must have a pause."""
        with contextlib.ExitStack() as stack:
            for busy in self._busy:
                stack.enter_context(busy)
            yield

    def _run(self, protocol: str, anew: bool, busy: threading.Lock) -> None:
        while not self._stop.is_set():
            with self._client(protocol) as client:
                while not self._stop.is_set():
                    with busy:
                        error = self._send(protocol, client)
                    if pause := max(self._pause, _AFTER_ERROR if error else 0.0):
                        self._stop.wait(pause)
                    if anew:
                        break

    def _send(self, protocol: str, client: Any) -> str:
        """The error, if it failed."""
        inputs = self._inputs()
        asked = asked_inputs(_MODULES[protocol], inputs)
        limit = {"client_timeout": self._timeout} if protocol == "grpc" else {}
        began, error, by = time.monotonic(), "", ""
        try:
            result = client.infer(self._model, asked, **limit)
            by = self._by(result)
            if not self._right(inputs, result):
                error = "a wrong answer"
        except InferenceServerException as failed:
            error = failed.message() or str(failed)
        except (OSError, http.client.HTTPException) as failed:
            error = f"{type(failed).__name__}: {failed}"
        self.sent.append(Sent(protocol, began, time.monotonic(), error, by))
        return error

    @contextlib.contextmanager
    def _client(self, protocol: str) -> Iterator[Any]:
        if protocol == "grpc":
            with tritonclient.grpc.InferenceServerClient(self._host.grpc, channel_args=_CHANNEL) as client:
                yield client
        else:
            with tritonclient.http.InferenceServerClient(self._host.http, network_timeout=self._timeout) as client:
                yield client


_CHANNEL = [("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 100)]
"""Each client has a connection of its own, and soon another where one was refused."""
