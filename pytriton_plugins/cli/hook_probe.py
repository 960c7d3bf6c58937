"""A trial import of each hook plugin in a child process, so that one that hangs or crashes is only a line."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.discovery.references import HookReference

_MIN_TIMEOUT = 0.5
"""Seconds for the output of a child that ended in time while others took the whole timeout."""

_IMPORTED, _RETURNED = b"\nimported\n", b"\nreturned\n"
_TRY = f"""
import json, os, sys
name, value, path, settings = json.load(sys.stdin)
sys.path[:] = path
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.discovery.references import HookReference
try:
    manager = HookManager.of_references([HookReference(name, value)], {{name: settings}})
    os.write(1, {_IMPORTED!r})
    manager.add_commands()
except Exception:
    pass  # the process that uses the plugin reports it
os.write(1, {_RETURNED!r})
os._exit(0)
"""


def hanging_or_crashing(config: HostConfig) -> dict[str, str]:
    """By label, the errors of hook plugins whose import or pytriton_add_commands hangs or ends the process."""
    from pytriton_plugins.discovery.entry_points import find_hooks, look_into
    from pytriton_plugins.discovery.selection import without

    look_into(config.plugins_dir)
    settings = config.tables.plugins
    started = [(each, _start(each, settings.get(each.plugin, {}))) for each in without(find_hooks(), config.disable)]
    deadline = time.monotonic() + config.import_timeout
    problems = {reference.label: _problem(child, deadline, config.import_timeout) for reference, child in started}
    return {label: problem for label, problem in problems.items() if problem}


def _start(reference: HookReference, settings: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    given = json.dumps([reference.plugin, reference.value, sys.path, dict(settings)], default=str)
    # Not as an argument: settings may be secret, and every user of the machine can read arguments.
    with tempfile.TemporaryFile() as file:
        file.write(given.encode())
        file.seek(0)
        return subprocess.Popen(
            [sys.executable, "-c", _TRY],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def _problem(child: subprocess.Popen[bytes], deadline: float, limit: float) -> str:
    from pytriton_plugins.host.system.child import describe_exit

    try:
        printed, _ = child.communicate(timeout=max(_MIN_TIMEOUT, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        child.kill()
        printed, _ = child.communicate()
        if _IMPORTED in printed:
            return f"its pytriton_add_commands takes longer than {limit:g} s; fix or uninstall it"
        return f"its import takes longer than {limit:g} s and would delay the start; fix or uninstall it"
    if printed.endswith(_RETURNED):
        return ""
    step = "pytriton_add_commands" if _IMPORTED in printed else "import"
    return f"its {step} ends the process with {describe_exit(child.returncode)}; fix or uninstall it"
