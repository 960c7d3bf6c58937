"""The handle of an attached model."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from pytriton_plugins.errors import AttachError

if TYPE_CHECKING:
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.script.link import AttachedLink

READY_TIMEOUT = 60.0
"""Seconds for loading a model into Triton."""

REMOVE_TIMEOUT = 35.0
"""Seconds: requests that run get 30."""


class Attachment:
    """A model whose callables are in this process; `attach` returns it. It stays attached when it is dropped."""

    def __init__(self, declaration: ModelDeclaration) -> None:
        self._declaration = declaration
        self._links: list[AttachedLink] = []
        self._pid = os.getpid()
        self._an_end = threading.Condition()
        """Notified when a link has ended."""

    def __repr__(self) -> str:
        state = "" if self.is_attached else f", {self.error or 'removed'}"
        return f"<Attachment {self.name} version {self.version}, served by this process{state}>"

    @property
    def name(self) -> str:
        return self._declaration.name

    @property
    def version(self) -> int:
        return self._declaration.version

    @property
    def names(self) -> tuple[tuple[str, int], ...]:
        """Its name and version, as of every handle."""
        return ((self.name, self.version),)

    def declares(self, declaration: ModelDeclaration) -> bool:
        """Whether it has this declaration, whatever its callables are called."""
        return replace(self._declaration, object_name="") == replace(declaration, object_name="")

    @property
    def error(self) -> str | None:
        """Why the daemon does not serve it any more; None while it does, after `remove`, and in a forked child."""
        if os.getpid() != self._pid:
            return None
        ended = [link for link in self._links if link.ended.is_set() and not link.was_asked_to_end]
        return self._problem(ended[0]) if ended else None

    @property
    def is_attached(self) -> bool:
        """Whether the daemon serves it, or will, with callables of this process."""
        return os.getpid() == self._pid and not any(link.ended.is_set() for link in self._links)

    @property
    def is_served(self) -> bool:
        """As `is_attached`."""
        return self.is_attached

    def replaced(self, name: str, version: int) -> None:
        """Another handle has the model: the daemon has ended the links of this one."""

    @property
    def key(self) -> tuple[int, str, int]:
        """The daemon's process id, the name and the version."""
        return self._links[0].daemon, self.name, self.version

    def add(self, link: AttachedLink) -> AttachedLink:
        """Use one more link, which is returned."""
        self._links.append(link)
        return link

    def link_ended(self) -> None:
        """One of its links has ended."""
        with self._an_end:
            self._an_end.notify_all()

    def ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until clients can call it; raises AttachError after ``timeout`` seconds, or if it is not served."""
        deadline = time.monotonic() + timeout
        for link in self._links:  # first: the daemon checks the declaration before it loads the model
            if not link.accepted.wait(max(0.0, deadline - time.monotonic())):
                raise AttachError(f"{self._label}: the daemon did not answer within {timeout:g} s; see its log")
        self.check()
        for link in self._links:
            if not link.serving.wait(max(0.0, deadline - time.monotonic())):
                raise AttachError(f"{self._label} is not served after {timeout:g} s; see the daemon's log")
        self.check()

    def check(self) -> None:
        """Raise AttachError if the daemon does not serve it any more."""
        if error := self.error:
            raise AttachError(error)
        if not self.is_attached:
            raise AttachError(f"{self._label} is not attached by this process, or was removed")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it was removed, True, or for ``timeout`` seconds, False; raises AttachError as `check` does."""
        if os.getpid() != self._pid:
            return True
        with self._an_end:
            self._an_end.wait_for(lambda: self.error or self._is_over, timeout)
        if error := self.error:
            raise AttachError(error)
        return self._is_over

    def leave(self) -> None:
        """Begin the removal, which `remove` waits for."""
        if os.getpid() == self._pid:
            for link in self._links:
                link.leave()

    def remove(self, timeout: float = REMOVE_TIMEOUT) -> None:
        """Serve it no longer: requests that run may finish. After ``timeout`` seconds they fail.

        Nothing happens if it is removed already, or in a child that this process forked.
        """
        if os.getpid() != self._pid:
            return
        self.leave()
        deadline = time.monotonic() + timeout
        for link in self._links:
            if not link.ended.wait(max(0.0, deadline - time.monotonic())):
                link.close()

    def abandon(self) -> None:
        """End the links at once."""
        for link in self._links:
            link.close()

    @property
    def _is_over(self) -> bool:
        return all(link.ended.is_set() for link in self._links)

    @property
    def _label(self) -> str:
        return f"model {self.name} version {self.version}"

    def _problem(self, link: AttachedLink) -> str:
        if link.reason:
            return f"{self._label}{'' if link.served else ' cannot be attached'}: {link.reason}"
        how = "has stopped" if link.leaving else "has ended"
        return f"{self._label}: the pytriton-host with pid {link.daemon} {how}; start one, and attach it again"
