"""One worker in the called process's terminal, which plays host and backend for it; for `pytriton-host debug`.

The worker is the served one but for its terminal, and for what ends it: no time limit counts.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from typing import Any, NoReturn

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.host.system.child import describe_exit
from pytriton_plugins.host.workers.launching import Launch, Order
from pytriton_plugins.host.workers.process import WorkerFailed
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.long import receive_json, send_json
from pytriton_plugins.shm.sockets import socket_pair
from pytriton_plugins.testing.channel import ChannelEnd, new_segment

_START = (
    "import sys; sys.path[:1] = [] if sys.path[0] == '' else sys.path[:1]; "
    "from pytriton_plugins.worker.foreground import main; sys.exit(main(sys.argv[1:]))"
)
_SEGMENT = 1 << 20
"""Bytes of the first segments; the worker gets larger ones as it asks for them."""


class ForegroundWorker:
    """The worker process: `declared`, then `serve`, then the channel's `send` as often as wanted."""

    def __init__(self, launch: Launch, reference: ModelReference, profile: str) -> None:
        self._channel: ChannelEnd | None = None
        self._link, theirs = socket_pair()
        with theirs:
            command = [launch.python, "-c", _START, str(theirs.fileno()), profile, reference.value, *launch.path]
            # What the model prints, and the debugger, are not the command's answer.
            self.process = subprocess.Popen(
                command, env={"PYTHONUNBUFFERED": "1", **launch.env}, stdout=2, pass_fds=[theirs.fileno()]
            )

    def declared(self) -> list[ModelDeclaration]:
        """The models of its plugin; raises WorkerFailed."""
        return [ModelDeclaration.from_json(plain) for plain in self._wait("models")["models"]]

    def serve(self, order: Order) -> ChannelEnd:
        """Have it set up a model, and open a channel to it; raises WorkerFailed."""
        # One slot, so that the callable runs in the main thread, which has the terminal.
        self._tell({"type": "serve", **order.to_json(), "slots": 1})
        self._wait("ready")
        response = new_segment(_SEGMENT)
        channel, theirs = socket_pair()
        with theirs:
            self._tell({"type": "channel", "segment": response.number}, theirs.fileno(), response.unsent)
        os.close(response.unsent)
        self._channel = _Channel(order.model, channel, self)
        return self._channel

    def finish(self) -> None:
        """Let it close its model and end; raises WorkerFailed if it does not end well."""
        self._tell({"type": "stop"})
        if self.process.wait():
            self.ended()

    def close(self) -> None:
        """End it, if it has not ended, and everything that leads to it."""
        self.process.kill()
        self.process.wait()
        self._link.close()
        if self._channel is not None:
            self._channel.close()

    def hear(self) -> dict[str, Any]:
        """The next message of its link, an answer to its wish for memory given; WorkerFailed when it has ended."""
        message, descriptors = receive_json(self._link)
        for descriptor in descriptors:
            os.close(descriptor)
        if message is None:
            self.ended()
        if message["type"] == "failed":
            self.process.wait()
            raise WorkerFailed(f"{message['stage']}: {message['message']}")
        if message["type"] == "need":
            segment = new_segment(int(message["bytes"]))
            answer = {"type": "segment", "token": message["token"], "segment": segment.number}
            self._tell(answer, segment.unsent)
            os.close(segment.unsent)
        return message

    def hears(self, other: int) -> bool:
        """Wait for the link or for descriptor ``other``; whether the link has something."""
        own = self._link.fileno()
        return own in select.select([own, other], [], [])[0]

    def ended(self) -> NoReturn:
        """Say how."""
        status = self.process.wait()
        raise WorkerFailed(f"its worker ended with {describe_exit(status)}")

    def _wait(self, kind: str) -> dict[str, Any]:
        while (message := self.hear())["type"] != kind:
            pass
        return message

    def _tell(self, message: dict[str, Any], *descriptors: int) -> None:
        with contextlib.suppress(OSError):  # it is gone, as `hear` will see
            send_json(self._link, message, descriptors)


class _Channel(ChannelEnd):
    """Waits as long as the callable, or who debugs it, takes, and serves the link meanwhile."""

    def __init__(self, declaration: ModelDeclaration, sock: Any, worker: ForegroundWorker) -> None:
        super().__init__(declaration, sock, new_segment(1), _SEGMENT)
        self._sock.settimeout(None)
        self._worker = worker

    def next_message(self) -> wire.ChannelMessage:
        while self._worker.hears(self._sock.fileno()):
            self._worker.hear()
        return super().next_message()

    def _on_end(self) -> NoReturn:
        self._worker.ended()


@contextlib.contextmanager
def foreground_worker(launch: Launch, reference: ModelReference, profile: str = "") -> Iterator[ForegroundWorker]:
    """The worker, ended afterwards; ``profile``: a file for cProfile's figures of it.

    Ctrl-C is the worker's: pdb takes it, and elsewhere it interrupts the callable.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with contextlib.closing(_started(launch, reference, profile)) as worker:
            yield worker
    finally:
        signal.signal(signal.SIGINT, before)


def _started(launch: Launch, reference: ModelReference, profile: str) -> ForegroundWorker:
    try:
        return ForegroundWorker(launch, reference, profile)
    except OSError as error:
        raise WorkerFailed(f"no worker can be started with {launch.python}: {error.strerror}") from None
