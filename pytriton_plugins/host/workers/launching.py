"""How a worker is started, and the hook plugins that it imports."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.host.log.line_reader import LineReceiver
from pytriton_plugins.host.system.child import Child
from pytriton_plugins.host.system.hardening import prefer_as_oom_victim
from pytriton_plugins.host.system.resource_limits import restore_descriptors
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.sockets import socket_pair
from pytriton_plugins.values import WorkerInfo

if TYPE_CHECKING:
    from pytriton_plugins.hooks.manager import HookManager

_LOG = logging.getLogger("pytriton.worker")

# `python -m` would look into the current folder before the installed packages, and find a checkout or a json.py there.
_NAME = "pytriton_plugins.worker"
_START = (
    "import sys; sys.path[:1] = [] if sys.path[0] == '' else sys.path[:1]; "
    "from pytriton_plugins.worker.main import main; sys.exit(main(sys.argv[2:]))"
)


@attrs.frozen
class Launch:
    """How a worker is started: its interpreter, its variables, and the folders that stand last on its path."""

    python: str = sys.executable
    env: Mapping[str, str] = attrs.Factory(lambda: dict(os.environ))
    path: Sequence[str] = ()


@attrs.frozen
class LaunchSettings:
    """The settings that decide how workers are started.

    ``plugins_dir`` and ``import_path`` stand last on their path, with ``reloads`` they write no bytecode, and
    ``hook_settings`` are the tables of hook plugins by name.
    """

    plugins_dir: Path | None = None
    reloads: bool = False
    hook_settings: Mapping[str, Mapping[str, Any]] = attrs.Factory(dict)
    import_path: tuple[str, ...] = ()


def launch_of(
    settings: LaunchSettings,
    hooks: HookManager,
    reference: ModelReference,
    model: ModelDeclaration | None,
    number: int,
) -> Launch:
    """For worker ``number`` of the plugin, or of one model of it; raises HookError while the host starts."""
    name, version = (model.name, model.version) if model else (None, None)
    info = WorkerInfo(number, 0, reference.plugin, name, version)
    # Bytecode counts as current by whole seconds and size, so a quick change of one digit would be missed.
    ours = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"} if settings.reloads else dict(os.environ)
    env = hooks.edit_worker_env(ours, reference.plugin, model, info)
    path = [*([str(settings.plugins_dir)] if settings.plugins_dir else []), *settings.import_path]
    return Launch(reference.python or sys.executable, env, [] if reference.python else path)


def worker_hooks(settings: LaunchSettings, hooks: HookManager) -> list[dict[str, Any]]:
    """The hook plugins that workers import, in the form of the protocol."""
    return [
        {**attrs.asdict(reference), "settings": settings.hook_settings.get(reference.plugin, {})}
        for reference in hooks.worker_references()
    ]


def spawn(launch: Launch, target: str, output: LineReceiver) -> tuple[Child, socket.socket]:
    """Start a worker that imports ``target``: its process, and our end of its link.

    Raises OSError, and leaves nothing open then.
    """
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        sock, peer = socket_pair()
        theirs.enter_context(peer)
        ours.enter_context(sock)
        read_end, kill_pipe = os.pipe2(os.O_CLOEXEC)
        theirs.callback(os.close, read_end)
        ours.callback(os.close, kill_pipe)
        child = _started(launch, target, output, peer.fileno(), read_end)
        # Not before: closing the pipe kills what the worker has forked, which has a moment to end by itself.
        child.reaped.add_done_callback(lambda _: os.close(kill_pipe))
        ours.pop_all()
    prefer_as_oom_victim(child.pid)
    restore_descriptors(child.pid)
    return child, sock


def _started(launch: Launch, target: str, output: LineReceiver, link: int, kill_pipe: int) -> Child:
    level = "DEBUG" if _LOG.isEnabledFor(logging.DEBUG) else "INFO"
    arguments = [str(link), str(kill_pipe), level, target, *launch.path]
    env = {"PYTHONUNBUFFERED": "1", **launch.env}
    command = [launch.python, "-c", _START, _NAME, *arguments]
    return Child(command, inherit=[link, kill_pipe], env=env, output=output)
