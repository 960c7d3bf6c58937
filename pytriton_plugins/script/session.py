"""Serves one attached callable in threads of the program that attached it."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any

from pytriton_plugins.script.link import END
from pytriton_plugins.worker.channels.dispatch import serve_offers
from pytriton_plugins.worker.log import report
from pytriton_plugins.worker.session import StageFailed, WorkerSession

if TYPE_CHECKING:
    from pytriton_plugins.model.call_rules import CallRules
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.script.link import AttachedLink
    from pytriton_plugins.worker.channels.dispatch import NewServer
    from pytriton_plugins.worker.link import WorkerLink


class CallersProcess:
    """A process that is not ours: nothing of it is changed, and no exception of a callable ends it."""

    ends = ()

    def __init__(self, calls: CallRules) -> None:
        self.calls = calls

    def show(self, error: BaseException) -> None:
        report(logging.ERROR, "an attached callable failed before it was served", error=error)

    def settle(self) -> None:
        """The garbage collector is the program's."""

    def serve_slots(self, link: WorkerLink, slots: int, new_server: NewServer) -> None:
        threads = [_thread(f"pytriton-slot-{slot}", serve_offers, link, new_server) for slot in range(slots)]
        for thread in threads:
            thread.join()


class AttachedSession:
    """The thread that sets up a callable and serves it until its link ends."""

    def __init__(
        self, link: AttachedLink, target: Any, declaration: ModelDeclaration, rules: CallRules, index: int = 0
    ) -> None:
        """``index``: the place of ``target`` among the callables of its model."""
        self._link = link
        self._target = target
        self._declaration = declaration
        self._rules = rules
        self._index = index
        _thread(f"pytriton-{declaration.name}", self._run)

    def _run(self) -> None:
        link = self._link
        order = link.next_order()
        if order is END:
            return
        order = {**order, "worker": self._index}
        try:
            WorkerSession(link, self._target, self._declaration, order, CallersProcess(self._rules)).run()
        except StageFailed:
            return  # the daemon has the reason, and says it
        except BaseException as error:
            if not link.ended.is_set():  # else there is nobody to tell
                report(logging.ERROR, "model %s: its session failed", self._declaration.name, error=error)
            link.close()
        with contextlib.suppress(OSError):  # the daemon has ended
            link.send("finished")


def _thread(name: str, work: Any, *arguments: Any) -> threading.Thread:
    # A daemon thread: the program ends when its main thread does, whatever a callable does.
    thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
    thread.start()
    return thread
