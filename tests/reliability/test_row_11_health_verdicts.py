"""A plugin's readiness verdict that changes; row 11 of the table of faults."""

from __future__ import annotations

import time
from pathlib import Path

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.measure.figures import figure
from tests.support.paths import MODELS
from tests.support.sandbox.fake_distributions import install, path_with

SCALARS = f"{MODELS / 'kinds.py'}:scalars"
HOOK = """
    import os
    import time
    from pathlib import Path

    from pytriton_plugins import hookimpl
    from pytriton_plugins.values import Verdict

    VERDICTS = []

    @hookimpl
    def pytriton_check_readiness(host):
        ok = not Path(os.environ["VERDICTS"], "no").exists()
        if ok not in VERDICTS[-1:]:
            VERDICTS.append(ok)
            new = Path(os.environ["VERDICTS"], "new")
            new.write_text(str(time.monotonic()))
            new.rename(Path(os.environ["VERDICTS"], f"{len(VERDICTS)}"))
        return Verdict(ok, "there is a file")
"""
FLIPS = 20


def test_a_verdict_that_changes_twenty_times(tmp_path: Path) -> None:
    install(tmp_path / "site", "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard=HOOK)
    env = {"PYTHONPATH": path_with(tmp_path / "site"), "VERDICTS": str(tmp_path)}
    with run_host(SCALARS, env=env) as host:
        durations = [flipped(host, tmp_path, number) for number in range(FLIPS)]
    figure(11, "from the hook's check until /v2/health/ready shows it", durations, limit=0.1)


def flipped(host: RunningHost, folder: Path, number: int) -> float:
    """Seconds from the hook's changed verdict until the port shows it."""
    no = folder / "no"
    no.unlink() if number % 2 else no.touch()
    wanted = 200 if number % 2 else 400
    wait_until(lambda: host.status("/v2/health/ready") == wanted)
    seen = time.monotonic()
    return seen - float((folder / str(number + 2)).read_text())
