"""Clients that never send a request twice, and what became of each request. Runs in the benchmark process."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from attrs import frozen
from tritonclient.utils import InferenceServerException

from benchmarks.servers import Place

MODEL: Final = "faulty"
WORK = 20.0
"""A request that takes so many ms: with it some are in flight at any time."""

HANG, RAISE = 1.0, 2.0
AFTER_ERROR = 0.01
"""Seconds that a client thinks about an error: a closed port refuses 20000 times a second."""

PROTOCOLS = ("grpc", "http")
_CHANNEL = [("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 100)]
"""Each client has a connection of its own, and soon another where one was refused."""


@frozen
class Sent:
    """One request: when it was sent, when it was answered, by the monotonic clock, and the error if it failed."""

    began: float
    ended: float
    error: str = ""


class Client:
    """Real clients of one protocol, each with its own patience in seconds."""

    def __init__(self, place: Place, protocol: str, patience: float) -> None:
        # The HTTP client is an extra; who only wants another command does without.
        self._module: Any = importlib.import_module(f"tritonclient.{protocol}")
        self._limit = {"client_timeout": patience} if protocol == "grpc" else {}
        self._client: Any = (
            self._module.InferenceServerClient(f"127.0.0.1:{place.grpc}", channel_args=_CHANNEL)
            if protocol == "grpc"
            else self._module.InferenceServerClient(f"127.0.0.1:{place.http}", network_timeout=patience)
        )

    def ask(self, wish: float) -> Sent:
        """Send one request and wait for what becomes of it."""
        tensor = self._module.InferInput("x", [1, 1], "FP32")
        tensor.set_data_from_numpy(np.array([[wish]], np.float32))
        began, error = time.monotonic(), ""
        try:
            self._client.infer(MODEL, [tensor], **self._limit)
        except InferenceServerException as failed:
            error = failed.message() or str(failed)
        except (OSError, http.client.HTTPException) as failed:
            error = f"{type(failed).__name__}: {failed}"
        return Sent(began, time.monotonic(), error)

    def close(self) -> None:
        """The connection ends."""
        self._client.close()


class Load:
    """So many clients that send one request after the other, half over gRPC and half over HTTP; a context manager.

    Of each four two connect anew for each request.
    """

    def __init__(self, place: Place, patience: float, clients: int = 8, wish: float = WORK) -> None:
        self._place, self._patience, self._wish = place, patience, wish
        self._enough = threading.Event()
        self.sent: list[Sent] = []
        kinds = [(PROTOCOLS[number % 2], number // 2 % 2 == 1) for number in range(clients)]
        self._threads = [threading.Thread(target=self._run, args=kind, daemon=True) for kind in kinds]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more, and wait for what is in flight."""
        self._enough.set()
        for thread in self._threads:
            thread.join()

    @property
    def failed(self) -> list[Sent]:
        return [each for each in [*self.sent] if each.error]

    def across(self, moment: float) -> list[Sent]:
        """Those that were in flight at ``moment``."""
        return [each for each in [*self.sent] if each.began <= moment < each.ended]

    def answered_after(self, moment: float) -> float | None:
        """Seconds from ``moment`` to the first answer to a request that was sent after it."""
        ends = [each.ended - moment for each in [*self.sent] if each.began > moment and not each.error]
        return min(ends) if ends else None

    def _run(self, protocol: str, anew: bool) -> None:
        while not self._enough.is_set():
            with contextlib.closing(Client(self._place, protocol, self._patience)) as client:
                while not self._enough.is_set():
                    sent = client.ask(self._wish)
                    self.sent.append(sent)
                    if sent.error:
                        self._enough.wait(AFTER_ERROR)
                    if anew:
                        break


@contextlib.contextmanager
def crowd(place: Place, wishes: list[float], patience: float) -> Iterator[list[Future[Sent]]]:
    """One request of each wish, all at once, each from a client of its own; awaited in the end."""

    def send(number: int, wish: float) -> Sent:
        with contextlib.closing(Client(place, PROTOCOLS[number % 2], patience)) as client:
            return client.ask(wish)

    with ThreadPoolExecutor(len(wishes)) as pool:
        yield [pool.submit(send, number, wish) for number, wish in enumerate(wishes)]
