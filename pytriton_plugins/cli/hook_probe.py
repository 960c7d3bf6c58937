"""Imports each hook plugin in a child of its own first: one that hangs or crashes is a line; in the called process."""

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

_LEAST = 0.5
"""Seconds for reading what one has printed that ran beside others which took all the time."""

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
    pass  # told by the process that uses it
os.write(1, {_RETURNED!r})
os._exit(0)
"""


def hanging_or_crashing(config: HostConfig) -> dict[str, str]:
    """By label, what is wrong with the hook plugins whose import, or question for commands, does not come back."""
    from pytriton_plugins.discovery.entry_points import find_hooks, look_into
    from pytriton_plugins.discovery.selection import without

    look_into(config.plugins_dir)
    settings = config.tables.plugins
    started = [(each, _start(each, settings.get(each.plugin, {}))) for each in without(find_hooks(), config.disable)]
    until = time.monotonic() + config.import_timeout
    said = {reference.label: _wrong(child, until, config.import_timeout) for reference, child in started}
    return {label: problem for label, problem in said.items() if problem}


def _start(reference: HookReference, settings: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    given = json.dumps([reference.plugin, reference.value, sys.path, dict(settings)], default=str)
    # Not as an argument: settings may be secret, and everybody on the machine sees those.
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


def _wrong(child: subprocess.Popen[bytes], until: float, limit: float) -> str:
    from pytriton_plugins.host.system.child import describe_exit

    try:
        printed, _ = child.communicate(timeout=max(_LEAST, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        child.kill()
        printed, _ = child.communicate()
        if _IMPORTED in printed:
            return f"its pytriton_add_commands takes longer than {limit:g} s; fix or uninstall it"
        return f"its import takes longer than {limit:g} s and would hold up the start; fix or uninstall it"
    if printed.endswith(_RETURNED):
        return ""
    what = "pytriton_add_commands" if _IMPORTED in printed else "import"
    return f"its {what} ends the process with {describe_exit(child.returncode)}; fix or uninstall it"
