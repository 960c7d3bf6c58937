"""Names and places of the files that a host keeps in its folder; imports next to nothing, for quick commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

FOLDER_PREFIX = "pytriton-host-"
"""A host's own folder, in the configured one or among the temporary files."""

CONTROL_SOCKET = "control.sock"
"""In it: the socket of control/server.py."""


ATTACH_SOCKET = "attach.sock"
"""In it, if the daemon takes callables of other processes: the socket of control/attach_socket.py."""


class HostPaths(NamedTuple):
    """Where a host keeps its files."""

    folder: Path
    """Its own, which no other user may enter; the control socket lies there."""
    repository: Path
    """Triton's model repository."""

    @classmethod
    def within(cls, folder: Path) -> HostPaths:
        """The paths of a host whose own folder is ``folder``."""
        return cls(folder, folder / "repository")
