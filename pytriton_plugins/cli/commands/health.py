"""`pytriton-host health`: the command line of probe.py, which most calls reach without this; in the called process."""

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
    help="How long to wait for the answer.",
)
@host_choice
def command(check: str, timeout: float, run_dir: str | None, pid: int | None) -> int:
    """Ask the running host one question: exit code 0 is yes, 1 is no, with the reasons on standard error.

    \b
      live      its loop answers, and no plugin's liveness check failed
      ready     every required model serves and no hook plugin objects
      startup   everything that it was started with has served or failed

    For HEALTHCHECK of a container and for exec probes; it asks the host's private socket, no plugin and no port.
    """
    return probe(check, run_dir, pid, timeout)
