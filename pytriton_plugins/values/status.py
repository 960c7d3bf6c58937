"""The state of the daemon and of its models, and verdicts on their health."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import attrs

from pytriton_plugins.values.memory import ShmUse
from pytriton_plugins.values.start import Ports

HostState = Literal["starting", "serving", "draining", "stopped"]


@attrs.frozen
class Verdict:
    """One answer to a health question; the status and the log show ``reason`` when ``ok`` is false."""

    ok: bool
    reason: str = ""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.ok, bool) or not isinstance(self.reason, str):
            raise TypeError(f"Verdict({self.ok!r}, {self.reason!r}): write Verdict(True) or Verdict(False, 'reason')")


@attrs.frozen
class NamedVerdict:
    """A verdict and its source: ``host``, ``model NAME`` or a hook plugin's name."""

    source: str
    verdict: Verdict


@attrs.frozen
class ModelStatus:
    """One model as the daemon sees it now.

    ``workers`` counts the live ones, ``reason`` says why the model is not ready, ``memory`` is its shared memory.
    """

    name: str
    version: int
    ready: bool
    workers: int
    reason: str = ""
    memory: ShmUse = attrs.field(factory=ShmUse)


@attrs.frozen
class HostStatus:
    """The daemon as it sees itself now; ``models`` by name and version, ``ports`` None before they are known."""

    models: tuple[ModelStatus, ...] = ()
    state: HostState = "starting"
    address: str = ""
    ports: Ports | None = None
    run_dir: Path | None = None
