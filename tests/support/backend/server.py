"""A real tritonserver with our backend; the test itself is its host and its workers.

The test controls all that the backend reads: the answers of a worker, the segments that it sends, and its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import socket
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tritonclient.grpc
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.triton.locate import FoundServer, find_tritonserver
from pytriton_plugins.host.triton.options import ServerSettings
from pytriton_plugins.host.triton.repository import add_model, model_config
from pytriton_plugins.host.triton.server import TritonServer
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm.segment import create_segment_file
from pytriton_plugins.shm.sockets import socket_pair
from pytriton_plugins.shm.wire import LinkKind, LinkMessage
from pytriton_plugins.testing import wait_until
from pytriton_plugins.testing.ports import held_ports
from pytriton_plugins.values import Ports
from tests.support.backend.worker_end import WorkerEnd

T = TypeVar("T")
Arrays = dict[str, NDArray[Any]]
TIMEOUT = 60.0
"""Seconds after which a wait of these tests fails."""

WAIT = 60.0
"""Seconds that requests wait for a worker in tests that are about something else."""

GOLDEN = ModelDeclaration(
    "golden",
    3,
    "function",
    "golden",
    (Tensor("x", np.float32, (-1,)), Tensor("text", bytes, (1,), optional=True)),
    (Tensor("y", np.float32, (-1,)), Tensor("label", str, ())),
)
"""The model of tests/golden/declaration.txt."""


def found_server() -> FoundServer:
    """The tritonserver that a host takes in this environment."""
    named = os.environ.get("PYTRITON_HOST_TRITONSERVER")
    return find_tritonserver(Path(named) if named else None, HookManager.installed())


def listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False


def wait_listening(ports: Ports) -> None:
    """Wait for all three ports: the backend answers the host before the server listens."""
    wait_until(lambda: all(map(listening, (ports.http, ports.grpc, ports.metrics))), TIMEOUT, "the server listens")


def sealed(size: int, content: bytes = b"") -> int:
    """A segment's descriptor; the caller closes it."""
    descriptor = create_segment_file(size)
    os.pwrite(descriptor, content, 0)
    return descriptor


class Backend:
    """One tritonserver. Channels have numbers from 1; their first request segments have the same numbers."""

    def __init__(self, folder: Path, settings: ServerSettings, ports: Ports) -> None:
        self.folder = folder
        found = found_server()
        self.ports = ports
        self.http, self.grpc = f"127.0.0.1:{self.ports.http}", f"127.0.0.1:{self.ports.grpc}"
        self.metrics = f"127.0.0.1:{self.ports.metrics}"
        self.needs: queue.Queue[LinkMessage] = queue.Queue()
        self.lost: queue.Queue[int] = queue.Queue()
        self.lost_late: list[int] = []
        """The channels whose worker did not answer in time."""
        self._channels = 0
        self._link_closed = False
        self._workers: list[WorkerEnd] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.clients = ThreadPoolExecutor(8)
        start = TritonServer.start(found, settings, self.ports, folder, self)
        try:
            self.server = self.call(start)
            wait_listening(self.ports)
        except BaseException:
            self._end_loop()
            raise

    def on_backend_need(self, message: LinkMessage) -> None:
        self.needs.put(message)

    def on_model_gone(self, message: LinkMessage) -> None: ...

    def on_channel_lost(self, message: LinkMessage) -> None:
        if message.value:
            self.lost_late.append(message.channel)
        self.lost.put(message.channel)

    def call(self, coroutine: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        """Run ``coroutine`` in the event loop of the host's classes."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    @property
    def pid(self) -> int:
        return self.server.child.pid

    @property
    def alive(self) -> bool:
        return self.server.child.running

    def serve(self, number: int, model: ModelDeclaration, declaration: bytes, instances: int = 1) -> None:
        """Declare ``model`` under ``number`` and load it."""
        self.call(self.server.declare(number, declaration))
        add_model(self.folder / "repository", model)
        self.call(self.server.load(model.name, model_config(model, instances, (model.version,)), 30.0))

    def connect(self, model: int, size: int = 1 << 16, segment: int = 0) -> WorkerEnd:
        """Give the model a new channel whose worker is the caller; ``segment`` is the number of its request segment."""
        self._channels += 1
        ours, theirs = socket_pair()
        descriptor = sealed(size)
        message = LinkMessage(LinkKind.CHANNEL, model=model, channel=self._channels, segment=segment or self._channels)
        self.send(message, theirs.fileno(), descriptor)
        theirs.close()
        os.close(descriptor)
        worker = WorkerEnd(self._channels, ours, TIMEOUT)
        self._workers.append(worker)
        return worker

    def disconnect(self, worker: WorkerEnd) -> None:
        """Remove a channel, as the host does when its worker has ended."""
        self.send(LinkMessage(LinkKind.CHANNEL_GONE, channel=worker.number))
        worker.close()

    def forget(self) -> None:
        """Remove every channel and every message of the backend, for the next test."""
        while self._workers:
            self.disconnect(self._workers.pop())
        if self.alive and not self._link_closed:
            self.call(self.server.held_requests())  # its answer follows all messages, which a request could overtake
        wait_until(lambda: not self.descriptors("memfd:"), TIMEOUT, "no segment is left open or mapped")
        for messages in (self.needs, self.lost):
            while not messages.empty():
                messages.get_nowait()

    def send(self, message: LinkMessage, *descriptors: int) -> None:
        async def in_the_loop() -> None:
            self.server.link.send(message, *descriptors)

        self.call(in_the_loop())

    def infer(self, model: str, inputs: Arrays, outputs: tuple[str, ...] = ()) -> Future[Arrays]:
        """Send a request in the background; the future holds its outputs or an InferenceServerException."""
        return self.clients.submit(infer, self.grpc, model, inputs, outputs)

    def descriptors(self, kind: str) -> list[str]:
        """The server's open descriptors and mappings whose target contains ``kind``."""
        folder = Path(f"/proc/{self.pid}")
        found = [line.split()[-1] for line in (folder / "maps").read_text().splitlines() if kind in line]
        for entry in (folder / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(entry)
                if kind in target:
                    found.append(target)
        return found

    def close_link(self) -> None:
        """Close the host's end of the backend link."""

        async def in_the_loop() -> None:
            self.server.link.close()

        if not self._link_closed:
            self._link_closed = True
            self.call(in_the_loop())

    def stop(self) -> None:
        """End the server and the loop."""
        try:
            if self.alive:
                self.call(self.server.stop(2.0, asyncio.Event()))
            else:
                self.close_link()
        finally:
            self._end_loop()

    def _end_loop(self) -> None:
        self.clients.shutdown()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextlib.contextmanager
def run_backend(folder: Path, **settings: Any) -> Iterator[Backend]:
    """A tritonserver with a closed gate and no model, ended at the end; ``settings`` are those of ServerSettings."""
    with held_ports() as ports:
        backend = Backend(folder, ServerSettings(**settings), Ports(*ports))
        try:
            yield backend
        finally:
            backend.stop()


def infer(
    url: str, model: str, inputs: Arrays, outputs: tuple[str, ...] = (), protocol: Any = tritonclient.grpc
) -> Arrays:
    """Send one request as a client; raises InferenceServerException, also after a timeout."""
    sent = []
    for name, array in inputs.items():
        tensor = protocol.InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        sent.append(tensor)
    wanted = [protocol.InferRequestedOutput(name) for name in outputs] or None
    if protocol is tritonclient.grpc:
        with protocol.InferenceServerClient(url) as client:
            result = client.infer(model, sent, outputs=wanted, client_timeout=TIMEOUT)
            names = [output.name for output in result.get_response().outputs]
    else:
        with protocol.InferenceServerClient(url, network_timeout=TIMEOUT) as client:
            result = client.infer(model, sent, outputs=wanted)
            names = [output["name"] for output in result.get_response()["outputs"]]
    return {name: result.as_numpy(name) for name in names}


def error_of(answer: Future[Any]) -> InferenceServerException:
    """The error that the client got."""
    error = answer.exception(TIMEOUT)
    assert isinstance(error, InferenceServerException), error or f"answered {answer.result()}"
    return error
