"""Imports each hook plugin in a child of its own first: one that hangs or crashes is a line; in the called process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytriton_plugins.config import HostConfig
    from pytriton_plugins.discovery.references import HookReference

_LEAST = 0.5
"""Seconds for reading what one has printed that ran beside others which took all the time."""

_TRY = """
import json, os, sys
sys.path[:] = json.loads(sys.argv[2])
from pytriton_plugins.hooks.loading import load_hook_plugin
from pytriton_plugins.discovery.references import HookReference
try:
    load_hook_plugin(HookReference("tried", sys.argv[1]))
except Exception:
    pass  # told by the process that uses it
os.write(1, b"\\nreturned\\n")
os._exit(0)
"""


def hanging_or_crashing(config: HostConfig) -> dict[str, str]:
    """By label, what is wrong with the hook plugins whose import does not come back."""
    from pytriton_plugins.discovery.entry_points import find_hooks, look_into
    from pytriton_plugins.discovery.selection import without

    look_into(config.plugins_dir)
    started = [(each, _start(each)) for each in without(find_hooks(), config.disable)]
    until = time.monotonic() + config.import_timeout
    said = {reference.label: _wrong(child, until, config.import_timeout) for reference, child in started}
    return {label: problem for label, problem in said.items() if problem}


def _start(reference: HookReference) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _TRY, reference.value, json.dumps(sys.path)]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )


def _wrong(child: subprocess.Popen[bytes], until: float, limit: float) -> str:
    from pytriton_plugins.host.processes import describe_exit

    try:
        printed, _ = child.communicate(timeout=max(_LEAST, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return f"its import takes longer than {limit:g} s and would hold up the start; fix or uninstall it"
    if printed.endswith(b"\nreturned\n"):
        return ""
    return f"its import ends the process with {describe_exit(child.returncode)}; fix or uninstall it"
