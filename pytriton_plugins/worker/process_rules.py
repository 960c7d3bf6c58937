"""What a session may do to the process that it runs in: a worker's own, or that of a program that attached itself."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Protocol

from pytriton_plugins.model.call_rules import STRICT, CallRules
from pytriton_plugins.worker.calling.errors import ENDS
from pytriton_plugins.worker.channels.dispatch import serve_in_threads
from pytriton_plugins.worker.log import show

if TYPE_CHECKING:
    from pytriton_plugins.worker.channels.dispatch import NewServer
    from pytriton_plugins.worker.link import WorkerLink


class ProcessRules(Protocol):
    """One kind of process."""

    @property
    def ends(self) -> tuple[type[BaseException], ...]:
        """The exceptions of a callable that end the process."""

    @property
    def calls(self) -> CallRules:
        """How its callables are called."""

    def show(self, error: BaseException) -> None:
        """Report the exception that failed a stage, with its traceback."""

    def settle(self) -> None:
        """The model is set up."""

    def serve_slots(self, link: WorkerLink, slots: int, new_server: NewServer) -> None:
        """Serve ``slots`` channels at once until the daemon ends the session."""


class OwnProcess:
    """A worker's process, which serves its model and nothing else."""

    ends = ENDS
    calls = STRICT

    def show(self, error: BaseException) -> None:
        show(error)

    def settle(self) -> None:
        gc.collect()
        gc.freeze()  # imported objects live as long as the worker: later collections skip them

    def serve_slots(self, link: WorkerLink, slots: int, new_server: NewServer) -> None:
        serve_in_threads(link, slots, new_server)


OWN_PROCESS = OwnProcess()
