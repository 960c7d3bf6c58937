"""The log of a running host, which a thread of the daemon writes: a line may come later than the event."""

from __future__ import annotations

from pytriton_plugins.testing import RunningHost, wait_until


def wait_logged(host: RunningHost, *texts: str) -> None:
    """Wait until the log has each of ``texts``."""
    wait_until(lambda: all(text in host.log for text in texts), 20, f"the log has {texts}")
