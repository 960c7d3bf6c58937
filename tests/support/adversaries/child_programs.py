"""Programs that start children as the host does, each in its own process, because some block their event loop."""

from __future__ import annotations

import subprocess
import sys
import textwrap

HEAD = """
    import asyncio, os, signal, subprocess, sys
    from pytriton_plugins.host.system.child import Child, kill_children
    from pytriton_plugins.host.system.reaper import Reaper

    class Output:
        def __init__(self, add):
            self.add = add

        def left_out(self, count, last):
            pass

    def start(command, on_line=lambda line: None):
        return Child(["sh", "-c", command], inherit=[], env=os.environ, output=Output(on_line))
"""


def run(body: str) -> str:
    """Run ``async def main()`` of ``body``; returns its output."""
    program = textwrap.dedent(HEAD) + textwrap.dedent(body) + "\nasyncio.run(main())\n"
    done = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
