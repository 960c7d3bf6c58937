"""A host whose temporary files lie in a folder of its own: other hosts of this user may run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytriton_plugins.testing import RunningHost, run_host


@contextlib.contextmanager
def lone_host(folder: Path, model: str, options: Sequence[str] = ()) -> Iterator[RunningHost]:
    """Serves the source ``model`` from ``folder``, where commands with that TMPDIR find this host alone."""
    file = folder / "model.py"
    file.write_text(model)
    with run_host(file, options=options, env={"TMPDIR": str(folder)}) as running:
        yield running
