"""The links of an attached model, without a daemon: what a fork gets, and whose end is seen."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from pytriton_plugins import Tensor, infer_func
from pytriton_plugins.errors import AttachError
from pytriton_plugins.model.infer_func import declaration_of
from pytriton_plugins.script.attachment import Attachment
from pytriton_plugins.script.link import AttachedLink
from pytriton_plugins.shm.long import send_json

SOON = 60.0
"""Seconds after which a wait of these tests fails."""


@infer_func(inputs=[Tensor("x", np.float32, (1,))], outputs=[Tensor("y", np.float32, (1,))])
def model(x: object) -> object:
    return x


@pytest.fixture
def daemons() -> Iterator[list[socket.socket]]:
    """The daemon's ends of the links."""
    ends: list[socket.socket] = []
    yield ends
    for end in ends:
        end.close()


def attached(daemons: list[socket.socket], links: int) -> Attachment:
    declaration = declaration_of(model)
    assert declaration is not None
    handle = Attachment(declaration)
    for _ in range(links):
        theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        daemons.append(theirs)
        handle.add(AttachedLink(ours, os.getpid(), handle.link_ended))
    return handle


def test_a_fork_gets_locks_that_nobody_holds(daemons: list[socket.socket]) -> None:
    link = attached(daemons, 1)._links[0]
    locks = ("_send_lock", "_open_lock", "_segment_lock")
    for name in locks:
        getattr(link, name).acquire()
    pid = os.fork()
    if pid == 0:
        os._exit(sum(not getattr(link, name).acquire(blocking=False) for name in locks))
    for name in locks:
        getattr(link, name).release()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_wait_sees_the_end_of_every_link(daemons: list[socket.socket]) -> None:
    """The daemon refuses the second callable of a list."""
    handle = attached(daemons, 2)
    told: list[str] = []

    def wait() -> None:
        try:
            handle.wait()
        except AttachError as error:
            told.append(str(error))

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    send_json(daemons[1], {"type": "rejected", "message": "no"})
    daemons[1].close()
    waiting.join(SOON)
    assert told == ["model model version 1 cannot be attached: no"]
    assert handle._links[0].ended.is_set() is False


def test_a_wait_ends_with_the_last_link(daemons: list[socket.socket]) -> None:
    handle = attached(daemons, 2)
    handle.leave()
    daemons[0].close()
    assert not handle.wait(0.05)
    daemons[1].close()
    assert handle.wait(60)


class Late(threading.Event):
    """An event that comes ``after`` seconds of a clock that stands still meanwhile."""

    def __init__(self, clock: list[float], after: float) -> None:
        super().__init__()
        self._clock, self._after = clock, after

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self._clock[0] += min(timeout, self._after)
        return timeout >= self._after


def test_one_timeout_for_all_steps(daemons: list[socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    handle = attached(daemons, 1)
    clock = [0.0]
    monkeypatch.setattr("pytriton_plugins.script.attachment.time", SimpleNamespace(monotonic=lambda: clock[0]))
    handle._links[0].accepted, handle._links[0].serving = Late(clock, 3), Late(clock, 3)
    with pytest.raises(AttachError, match="is not served after 4 s"):
        handle.ready(4)
    assert clock == [4]
