"""One worker with this process's terminal, for `pytriton-host debug`; this process is its daemon and its backend.

The worker runs as a served one, except that it has the terminal and no timeouts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.host.system.child import describe_exit
from pytriton_plugins.host.workers.hello import wrong_version
from pytriton_plugins.host.workers.launching import Launch
from pytriton_plugins.host.workers.worker import WorkerFailed
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.declared_fields import read_declaration
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.long import receive_json, send_json
from pytriton_plugins.shm.polling import readable
from pytriton_plugins.shm.sockets import socket_pair
from pytriton_plugins.testing.channel import ChannelEnd, new_segment

if TYPE_CHECKING:
    from pytriton_plugins.config.resolver import EffectiveModel

_PROGRAM = (
    "import sys; sys.path[:1] = [] if sys.path[0] == '' else sys.path[:1]; "
    "from pytriton_plugins.worker.foreground import main; sys.exit(main(sys.argv[1:]))"
)
_SEGMENT_SIZE = 1 << 20
"""Bytes of the first segments; the worker gets larger ones on request."""


class ForegroundWorker:
    """The worker process: call `declared`, then `serve`, then the channel's `send` any number of times."""

    def __init__(self, launch: Launch, reference: ModelReference, profile: str) -> None:
        self._channel: ChannelEnd | None = None
        self._python = launch.python
        self._link, theirs = socket_pair()
        with theirs:
            command = [launch.python, "-c", _PROGRAM, str(theirs.fileno()), profile, reference.value, *launch.path]
            # The output of the model and of the debugger is not the command's result.
            self.process = subprocess.Popen(
                command, env={"PYTHONUNBUFFERED": "1", **launch.env}, stdout=2, pass_fds=[theirs.fileno()]
            )

    def declared(self) -> list[ModelDeclaration]:
        """The models of its plugin; raises WorkerFailed."""
        return [read_declaration(plain) for plain in self._wait("models")["models"]]

    def serve(self, model: EffectiveModel, hooks: Sequence[Mapping[str, Any]]) -> ChannelEnd:
        """Have the worker set up a model, and open a channel to it; raises WorkerFailed."""
        # One slot, so that the callable runs in the main thread, which has the terminal.
        self._tell({"type": "serve", **model.order(), "hooks": hooks, "slots": 1})
        self._wait("ready")
        response = new_segment(_SEGMENT_SIZE)
        channel, theirs = socket_pair()
        with theirs:
            self._tell({"type": "channel", "channel": 1, "segment": response.number}, theirs.fileno(), response.unsent)
        os.close(response.unsent)
        self._channel = _Channel(model.declaration, channel, self)
        return self._channel

    def finish(self) -> None:
        """Let the worker close its model and end; raises WorkerFailed if its exit code is not 0."""
        self._tell({"type": "stop"})
        if self.process.wait():
            self.ended()

    def close(self) -> None:
        """End the worker, if it has not ended, and close its link and channel."""
        self.process.kill()
        self.process.wait()
        self._link.close()
        if self._channel is not None:
            self._channel.close()

    def hear(self) -> dict[str, Any]:
        """The next message of the link, after a request for a segment is answered; raises WorkerFailed at its end."""
        message, descriptors = receive_json(self._link)
        for descriptor in descriptors:
            os.close(descriptor)
        if message is None:
            self.ended()
        if message["type"] == "hello" and (problem := wrong_version(message, self._python)):
            raise WorkerFailed(problem)
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
        """Wait for the link or for descriptor ``other``; whether the link has a message."""
        own = self._link.fileno()
        return own in readable(own, other)

    def ended(self) -> NoReturn:
        """Raise WorkerFailed with the worker's exit code."""
        status = self.process.wait()
        raise WorkerFailed(f"its worker ended with {describe_exit(status)}")

    def _wait(self, kind: str) -> dict[str, Any]:
        while (message := self.hear())["type"] != kind:
            pass
        return message

    def _tell(self, message: dict[str, Any], *descriptors: int) -> None:
        with contextlib.suppress(OSError):  # the worker has ended; `hear` raises
            send_json(self._link, message, descriptors)


class _Channel(ChannelEnd):
    """Waits without a timeout for the callable, or its debugger, and serves the link meanwhile."""

    def __init__(self, declaration: ModelDeclaration, sock: Any, worker: ForegroundWorker) -> None:
        super().__init__(declaration, sock, new_segment(1), _SEGMENT_SIZE)
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
    """The worker, ended afterwards; ``profile``: a file for its cProfile figures.

    Ctrl-C goes to the worker: to pdb, or it interrupts the callable.
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
        raise WorkerFailed(f"cannot start a worker with {launch.python}: {error.strerror}") from None
