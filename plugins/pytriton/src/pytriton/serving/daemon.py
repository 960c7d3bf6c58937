"""The daemon of a script: where callables are attached, and the wait for its end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pytriton_plugins import Host
from pytriton_plugins.errors import HostError

if TYPE_CHECKING:
    from pytriton_plugins.script.connected import ConnectedHost

MONITORING_PERIOD_S = 10.0


def folder_of(host: Host | ConnectedHost | None) -> str:
    """The private folder of the daemon, with the socket on which it takes callables."""
    if isinstance(host, Host):
        return host._daemon.folder
    assert host is not None
    return host._folder


def watched(host: Host | ConnectedHost, on_end: Callable[[HostError | None], None]) -> None:
    """Call ``on_end`` once the daemon is gone, with why it has ended by itself; in a thread."""

    def wait() -> None:
        try:
            host.wait()
        except HostError as error:
            on_end(error)
        else:
            on_end(None)

    threading.Thread(target=wait, name="pytriton-watch", daemon=True).start()


@contextlib.contextmanager
def stop_signals(stopped: threading.Event) -> Iterator[None]:
    """Within it Ctrl-C and SIGTERM set ``stopped``; in a thread that is not the main one nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
