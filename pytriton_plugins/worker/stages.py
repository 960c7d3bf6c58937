"""The stages before a worker serves, and the report of one that fails."""

from __future__ import annotations

import contextlib
from types import TracebackType

from pytriton_plugins.errors import DeclarationError, DiscoveryError, ProtocolError
from pytriton_plugins.thrown import is_a, name_of, text_of
from pytriton_plugins.worker.calling.errors import ENDS, end_reason, one_line
from pytriton_plugins.worker.link import WorkerLink
from pytriton_plugins.worker.log import show

_SUBJECTS = {"import": "it", "set-up": "its __init__", "warm-up": "its callable"}
"""The subject of the sentence that says how a stage ended the worker."""


class StageFailed(Exception):
    """The worker cannot serve; the daemon has the reason."""


class Stage(contextlib.AbstractContextManager[None]):
    """Logs the failure of a stage in full, reports it to the daemon in one line, and raises StageFailed."""

    def __init__(self, link: WorkerLink, name: str, *, is_cancellable: bool = False) -> None:
        """``name``: as in the message ``failed``. ``is_cancellable``: CancelledError is not a failure."""
        self._link = link
        self._name = name
        self._is_cancellable = is_cancellable

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or (self._is_cancellable and not is_a(error, Exception, *ENDS)):
            return
        self._link.send("failed", stage=self._name, message=one_line(self._message(error)))
        raise StageFailed from None

    def _message(self, error: BaseException) -> str:
        if is_a(error, DeclarationError, DiscoveryError, ProtocolError):
            return text_of(error)
        show(error)
        if is_a(error, *ENDS):
            return end_reason(error, _SUBJECTS[self._name])
        return f"{name_of(error)}: {text_of(error)}"
