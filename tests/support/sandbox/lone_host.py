"""A host with its temporary files in a folder of its own, apart from other hosts of this user."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytriton_plugins.testing import RunningHost, run_host


@contextlib.contextmanager
def lone_host(folder: Path, model: str, options: Sequence[str] = ()) -> Iterator[RunningHost]:
    """Serve the source ``model`` from ``folder``; commands with that TMPDIR find only this host."""
    file = folder / "model.py"
    file.write_text(model)
    with run_host(file, options=options, env={"TMPDIR": str(folder)}) as running:
        yield running
