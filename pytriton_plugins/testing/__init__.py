"""For tests of plugins: a whole host on free ports; runs in the test process."""

from __future__ import annotations

from pytriton_plugins.testing.host import RunningHost, run_host
from pytriton_plugins.testing.waiting import wait_until

__all__ = ["RunningHost", "run_host", "wait_until"]
