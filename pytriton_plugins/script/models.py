"""The handles of the models that a program has added and attached by one host."""

from __future__ import annotations

from typing import Protocol

from pytriton_plugins.script.attachment import Attachment


class Handle(Protocol):
    """What `Host.add` and `Host.attach` return."""

    @property
    def names(self) -> tuple[tuple[str, int], ...]: ...

    @property
    def is_served(self) -> bool: ...

    def replaced(self, name: str, version: int) -> None: ...


class Models:
    """The last handle of each name and version. Every thread may use it."""

    def __init__(self) -> None:
        self._handles: dict[tuple[str, int], Handle] = {}

    def note(self, handle: Handle) -> None:
        """Its models are served now, in the place of those with their names."""
        for key in handle.names:
            old = self._handles.get(key)
            self._handles[key] = handle
            if old is not None and old is not handle:
                old.replaced(*key)

    def handle(self, name: str, version: int) -> Handle | None:
        """The handle of a model that is served, as far as this program knows."""
        found = self._handles.get((name, version))
        return found if found is not None and found.is_served else None

    def attached(self) -> list[Attachment]:
        """Every attached model, whether it is still served or not."""
        return [each for each in dict.fromkeys(self._handles.values()) if isinstance(each, Attachment)]

    def __str__(self) -> str:
        """The names, with how each is served."""
        served = [(key, handle) for key, handle in sorted(self._handles.items()) if handle.is_served]
        return ", ".join(_shown(*key, handle) for key, handle in served)


def _shown(name: str, version: int, handle: Handle) -> str:
    notes = [f"version {version}"] * (version != 1) + ["attached"] * isinstance(handle, Attachment)
    return f"{name} ({', '.join(notes)})" if notes else name
