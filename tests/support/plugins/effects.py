"""A hook plugin in which every hook has a visible effect for an author, an operator or a client.

The folder that EFFECTS names holds its switches: files that exist or do not.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import click

from pytriton_plugins import hookimpl
from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.values import (
    MIB,
    Drain,
    GiveUp,
    Grow,
    HostStatus,
    ModelConfig,
    ModelStatus,
    NamedVerdict,
    Ports,
    RequestInfo,
    ResponseInfo,
    ServerOptions,
    ShmPolicy,
    Shortage,
    Verdict,
    WorkerExit,
    WorkerInfo,
)

LOG = logging.getLogger("pytriton.effects")
FOLDER = Path(os.environ.get("EFFECTS", "/nowhere"))


def switched_on(name: str) -> bool:
    return (FOLDER / name).exists()


@hookimpl
def pytriton_add_commands(settings: Mapping[str, Any]) -> list[click.Command]:
    @click.command("greet")
    def greet() -> None:
        """Greet the name in the settings."""
        click.echo(f"hello {settings.get('who', 'nobody')}")

    return [greet]


@hookimpl
def pytriton_add_models() -> list[ModelReference]:
    return [ModelReference("added", str(FOLDER / "added.py"))]


@hookimpl
def pytriton_choose_server(candidates: tuple[Path, ...]) -> Path:
    return FOLDER / "my-tritonserver"


@hookimpl
def pytriton_choose_ports(ports: Ports, attempt: int) -> Ports | None:
    return Ports(*(int(port) for port in os.environ["EFFECTS_PORTS"].split(","))) if attempt == 0 else None


@hookimpl
def pytriton_edit_server_options(options: ServerOptions) -> ServerOptions:
    return options.having("allow-cpu-metrics", "false")


@hookimpl
def pytriton_choose_drain(default: Drain) -> Drain:
    return attrs.evolve(default, delay=0.25)


@hookimpl
def pytriton_on_host_start(host: HostStatus) -> None:
    LOG.info("starting on %s, HTTP port %d", host.address, host.ports.http if host.ports else 0)


@hookimpl
def pytriton_on_host_ready(host: HostStatus) -> None:
    LOG.info("ready with %s", ", ".join(model.name for model in host.models))


@hookimpl
def pytriton_on_host_drain(host: HostStatus) -> None:
    LOG.info("draining in state %s", host.state)


@hookimpl
def pytriton_on_host_stop(host: HostStatus) -> None:
    LOG.info("the end, in state %s", host.state)


@hookimpl
def pytriton_edit_model_config(model: ModelDeclaration, config: ModelConfig) -> ModelConfig:
    return config.merged({"name": "another", "parameters": {"owner": {"string_value": f"the owner of {model.name}"}}})


@hookimpl
def pytriton_choose_shm_policy(model: ModelDeclaration, default: ShmPolicy) -> ShmPolicy:
    return ShmPolicy(initial=8 * MIB, max=32 * MIB)


@hookimpl
def pytriton_choose_shm_full_action(shortage: Shortage) -> Grow | None:
    return Grow(256 * MIB) if switched_on("grow") else None


@hookimpl
def pytriton_edit_worker_env(env: Mapping[str, str], plugin: str, model: ModelDeclaration | None) -> dict[str, str]:
    return {**env, "FLAVOR": f"{plugin} for {model.name if model else 'whoever it is'}"}


@hookimpl
def pytriton_on_worker_start(worker: WorkerInfo) -> None:
    LOG.info("worker %d of %s started", worker.pid, worker.plugin)


@hookimpl
def pytriton_on_worker_ready(worker: WorkerInfo) -> None:
    LOG.info("worker %d serves %s", worker.pid, worker.model)


@hookimpl
def pytriton_on_worker_exit(worker: WorkerInfo, exit: WorkerExit) -> None:
    LOG.info("worker %d ended with %s, expected: %s", worker.pid, exit.description, exit.expected)


@hookimpl
def pytriton_choose_restart(worker: WorkerInfo, exit: WorkerExit, history: Sequence[WorkerExit]) -> GiveUp | None:
    return GiveUp(f"{exit.description} is enough") if switched_on("give-up") else None


@hookimpl
def pytriton_check_liveness() -> Verdict | None:
    return Verdict(False, "the switch says dead") if switched_on("dead") else None


@hookimpl
def pytriton_check_readiness(host: HostStatus) -> Verdict | None:
    return Verdict(False, f"not ready while {host.state}") if switched_on("not-ready") else None


@hookimpl
def pytriton_check_model_readiness(model: ModelDeclaration, status: ModelStatus) -> Verdict | None:
    return Verdict(False, f"{status.workers} workers are too few") if switched_on("model-not-ready") else None


@hookimpl
def pytriton_choose_readiness(verdicts: tuple[NamedVerdict, ...]) -> Verdict | None:
    return Verdict(True) if switched_on("ready-all-the-same") else None


@hookimpl
def pytriton_on_worker_setup(model: ModelDeclaration, settings: Mapping[str, Any]) -> None:
    print(f"set up {model.name} for {settings.get('who', 'nobody')}")


@hookimpl
def pytriton_on_request(request: RequestInfo) -> None:
    print(f"request {request.number} of {request.model} with {request.rows} rows")


@hookimpl
def pytriton_on_response(request: RequestInfo, outcome: ResponseInfo) -> None:
    print(f"response {request.number}: {'ok' if outcome.ok else f'{outcome.code} {outcome.message}'}")
