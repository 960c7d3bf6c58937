"""For tests of plugins: a model called as in its worker, hooks called as in the daemon, a whole daemon; in pytest.

The fixture `pytriton_host` (pytest_plugin.py) is available in every pytest run.
"""

from __future__ import annotations

from pytriton_plugins.testing.calling import call_batch, call_model, call_sequence, call_stream
from pytriton_plugins.testing.hooks import hook_manager
from pytriton_plugins.testing.host import RunningHost, run_host
from pytriton_plugins.testing.waiting import wait_until

__all__ = [
    "RunningHost",
    "call_batch",
    "call_model",
    "call_sequence",
    "call_stream",
    "hook_manager",
    "run_host",
    "wait_until",
]
