"""A worker's life: import the plugin, report its models, set one up, serve it."""

from __future__ import annotations

import os
import platform
import socket
import sys
from typing import Any

import numpy as np

from pytriton_plugins.discovery.importing import imported_files, notes
from pytriton_plugins.discovery.namesakes import current_folder
from pytriton_plugins.discovery.resolve import resolve
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.shm.wire import VERSION
from pytriton_plugins.worker.breakpoints import refuse_breakpoints
from pytriton_plugins.worker.calling.errors import end_reason
from pytriton_plugins.worker.channels.dispatch import exit_code
from pytriton_plugins.worker.link import WorkerLink
from pytriton_plugins.worker.log import set_up_logging
from pytriton_plugins.worker.parent_death import die_with_daemon
from pytriton_plugins.worker.session import Stage, StageFailed, WorkerSession

_FAILED = 3
"""The exit code of a worker that has reported a failed stage."""


def main(arguments: list[str]) -> int:
    """Run a worker for ``LINK KILL_PIPE LEVEL REFERENCE FOLDER…``.

    Two inherited descriptors, the level of the daemon's log, the reference to resolve, and the folders to find it in.
    """
    # Modules in these folders may be served, but never replace installed modules.
    sys.path += [*arguments[4:], *current_folder()]
    link_fd, kill_pipe, level, reference = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3]
    die_with_daemon(kill_pipe)
    for descriptor in (link_fd, kill_pipe):
        os.set_inheritable(descriptor, False)
    set_up_logging(level)
    refuse_breakpoints()
    return run(link_fd, reference)


def run(link_fd: int, reference: str) -> int:
    """Run a worker in a process that is set up; its exit code."""
    link = WorkerLink(socket.socket(fileno=link_fd))
    os.register_at_fork(after_in_child=link.close_in_child)
    link.send("hello", protocol=VERSION, pid=os.getpid(), python=platform.python_version(), numpy=np.__version__)
    try:
        models = _import_models(link, reference)
        order = link.next_order()
        key = (order["model"], order["version"])
        marked, declaration = next(model for model in models if (model[1].name, model[1].version) == key)
        return _serve(WorkerSession(link, marked, declaration, order), link)
    except StageFailed:
        return _FAILED


def _import_models(link: WorkerLink, reference: str) -> list[tuple[Any, ModelDeclaration]]:
    """Import the plugin and report its models to the daemon; raises StageFailed."""
    with Stage(link, "import"):
        models = resolve(reference)
        declarations = [declaration.to_json() for _, declaration in models]
        link.send("models", models=declarations, files=_files(reference), notes=notes(reference))
    return models


def _files(reference: str) -> list[str]:
    """What the models were made of; no module of labels is imported where there are none."""
    labels = sys.modules.get("pytriton_plugins.model.labels")
    return imported_files(reference) + (labels.label_files() if labels else [])


def _serve(session: WorkerSession, link: WorkerLink) -> int:
    try:
        session.run()
    except KeyboardInterrupt as error:
        link.report_end(end_reason(error, "the worker"))
        return exit_code(error)
    return 0
