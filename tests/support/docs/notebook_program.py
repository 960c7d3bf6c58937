"""Executes cells in a kernel of Jupyter, by nbclient; a program of its own, which leaves its sockets to its end.

Each line of the standard input is one JSON object with ``do``: ``run`` a cell with a ``source``, or ``restart``. The
answer is an object too: the process id of the kernel, what the cell printed, and its error.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

v4: Any = nbformat.v4  # without types
CELL_SECONDS = 120


def run(client: Any, source: str) -> dict[str, str]:
    """Execute one cell more."""
    cells = client.nb.cells
    cells.append(v4.new_code_cell(source))
    error = ""
    try:
        client.execute_cell(cells[-1], len(cells) - 1)
    except CellExecutionError as failed:
        error = f"{failed.ename}: {failed.evalue}"
    return {"text": "".join(each.get("text", "") for each in cells[-1].outputs), "error": error}


def main(manager: Any) -> None:
    client: Any = NotebookClient(v4.new_notebook(), km=manager, timeout=CELL_SECONDS)
    client.start_new_kernel()
    client.start_new_kernel_client()
    print(json.dumps({"pid": manager.provisioner.pid}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "restart":
            manager.restart_kernel()
            client.kc.wait_for_ready()
        answer = run(client, order["source"]) if order["do"] == "run" else {}
        print(json.dumps({"pid": manager.provisioner.pid, **answer}), flush=True)


main(KernelManager(transport="ipc", ip="kernel"))
