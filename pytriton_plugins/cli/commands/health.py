"""`pytriton-host health`: the full command line of health_probe.py, which answers most calls without this module."""

from __future__ import annotations

import click

from pytriton_plugins.cli.control_options import host_choice
from pytriton_plugins.cli.health_probe import CHECKS, TIMEOUT, probe


@click.command("health")
@click.argument("check", type=click.Choice(CHECKS))
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=TIMEOUT,
    show_default=True,
    help="Timeout of the answer.",
)
@host_choice
def command(check: str, timeout: float, run_dir: str | None, pid: int | None) -> int:
    """Check whether the running daemon is live, ready or started.

    Exit code 0 is yes, 1 is no, with the reasons on standard error.

    \b
      live      the daemon answers, and no plugin's liveness check failed
      ready     every required model serves, and no hook plugin objects
      startup   every model of the start has served or failed

    For HEALTHCHECK of a container and for exec probes. It uses the daemon's private socket; no port, and no plugin.
    """
    return probe(check, run_dir, pid, timeout)
