"""A worker dies with its daemon."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, resource
from pytriton_plugins.worker.parent_death import die_with_daemon

resource.setrlimit(resource.RLIMIT_NOFILE, (3000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
daemon = os.pipe()
os.dup2(daemon[0], 2000)
if {ended}:
    os.close(daemon[1])
os.setpgid(0, 0)
die_with_daemon(2000)
print("lives")
"""


@pytest.mark.parametrize(("ended", "printed", "code"), [(False, "lives\n", 0), (True, "", -9)], ids=["lives", "ended"])
def test_the_daemon_may_have_many_descriptors(ended: bool, printed: str, code: int) -> None:
    """A pipe with a number over 1023 is watched, and a daemon that has ended already is noticed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(ended=ended)], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode, done.stderr) == (printed, code, "")
