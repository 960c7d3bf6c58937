"""The console script's first step, kept light: as process 1 it turns into an init, then the commands are imported."""

from __future__ import annotations

import os


def main() -> int:
    """Runs `pytriton-host`; returns its exit code: 0 as asked, 1 failed, 2 wrong usage or configuration."""
    if os.getpid() == 1:
        from pytriton_plugins.host.pid1 import become_init_if_pid1

        # The fork comes before the imports below, so that the init stays small.
        become_init_if_pid1()
    from pytriton_plugins.cli.app import run

    return run()
