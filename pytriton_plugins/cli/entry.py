"""The console script, with few imports: process 1 becomes an init, `health` is answered, other commands imported."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run `pytriton-host`; returns the exit code: 0 for success, 1 for failure, 2 for wrong usage or configuration."""
    if os.getpid() == 1:
        from pytriton_plugins.host.system.init import become_init_if_pid1

        # The fork comes before the imports below, so that the init stays small.
        become_init_if_pid1()
    if sys.argv[1:2] == ["health"]:
        from pytriton_plugins.cli.health_probe import quick_probe

        code = quick_probe(sys.argv[2:])
        if code is not None:
            return code
    from pytriton_plugins.cli.app import run
    from pytriton_plugins.cli.output.streams import guard

    guard()
    return run()
