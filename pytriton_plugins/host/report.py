"""What the operator sees: progress, then a table and lines to paste for each model; runs in the host."""

from __future__ import annotations

import asyncio
import json
import math
import shlex
import sys
from typing import TYPE_CHECKING, Any

from pytriton_plugins.host.log_writer import write_aside
from pytriton_plugins.host.served_model import ServedModel
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.tensors import Tensor
from pytriton_plugins.text import printable
from pytriton_plugins.values import Ports

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from pytriton_plugins.host.roster import Roster

_REFRESH = 0.1
_SAMPLE_LENGTH = 3
_WIDTH_OF_A_FILE = 10_000
"""Where nobody's terminal has an edge, each row of the table is one line that can be searched for."""


class Report:
    """Prints to standard output; the log goes to standard error."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    async def show_progress(self) -> None:
        """On a terminal, one line that says what is still awaited; nothing elsewhere, where the log tells it."""
        if not sys.stdout or not sys.stdout.isatty():
            return
        from rich.console import Console
        from rich.text import Text

        with Console().status("starting") as status:
            while True:
                status.update(Text(awaited(self._roster)))
                await asyncio.sleep(_REFRESH)

    def show_models(self, ports: Ports, reasons: list[str]) -> None:
        """The table of plugins and models, why the host is not ready, and how to call each model."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for heading in ("MODEL", "VERSION", "PLUGIN", "WORKERS", "STATE"):
            table.add_column(heading, overflow="fold")
        for model in self._roster.models.values():
            status = model.status()
            state = Text("ready", "green") if status.ready else Text(printable(status.reason), "red")
            plugin = Text(printable(model.reference.label))
            table.add_row(model.name, str(status.version), plugin, str(status.workers), state)
        for record in self._roster.records:
            if record.error:
                plugin = Text(printable(record.reference.label))
                table.add_row("-", "-", plugin, "0", Text(printable(record.error), "red"))
        console = Console(soft_wrap=True, width=None if sys.stdout and sys.stdout.isatty() else _WIDTH_OF_A_FILE)
        with console.capture() as shown:
            self._show(console, table, ports, reasons)
        if sys.__stdout__ is not None:  # else the number is another file's by now
            write_aside(1, shown.get())

    def _show(self, console: Console, table: Table, ports: Ports, reasons: list[str]) -> None:
        from rich.text import Text

        console.print(table)
        address = _reachable(self._roster.config.address)
        console.print(
            f"\nHTTP http://{address}:{ports.http}   gRPC {address}:{ports.grpc}   "
            f"metrics http://{address}:{ports.metrics}/metrics", highlight=False, markup=False,
        )  # fmt: skip
        for reason in reasons:
            console.print(Text(f"not ready: {printable(reason)}", "red"))
        for model in self._roster.models.values():
            if model.loaded:
                console.print("\n" + "\n".join(calls(model, address, ports)), highlight=False, markup=False)


def awaited(roster: Roster) -> str:
    """What a host that starts still waits for."""
    records = [record for record in roster.records if not record.models and not record.error]
    models = [model for model in roster.models.values() if not model.loaded and not model.error]
    importing = [record.reference.plugin for record in records if not roster.turns.awaits(record)]
    loading = [model.name for model in models if not model.waits]
    waiting = len(records) + len(models) - len(importing) - len(loading)
    parts = [f"importing {', '.join(importing)}"] if importing else []
    parts += [f"loading {', '.join(loading)}"] if loading else []
    parts += [f"{waiting} wait{'s' if waiting == 1 else ''} for a turn to start"] if waiting else []
    return printable("; ".join(parts) or "opening") + " …"


def _reachable(address: str) -> str:
    if address in ("0.0.0.0", ""):
        return "127.0.0.1"
    return f"[{'::1' if address == '::' else address}]" if ":" in address else address


def calls(model: ServedModel, address: str, ports: Ports) -> list[str]:
    """The two lines that call ``model``: our own command, and curl."""
    declaration = model.declaration
    url = "" if ports.grpc == 8001 and address == "127.0.0.1" else f" --url {address}:{ports.grpc}"
    ours = f"pytriton-host infer {shlex.join(example_call(declaration))}{url}"
    base = f"http://{address}:{ports.http}/v2/models/{model.name}"
    needed = [tensor for tensor in declaration.inputs if not tensor.optional]
    if declaration.streams:
        # What Triton makes of this JSON has one dimension behind the batch axis.
        simple = all(len(tensor.shape) <= 1 for tensor in needed)
        body = json.dumps({tensor.name: _sample_items(tensor, _count(tensor.wire_shape)) for tensor in needed})
        return [ours, f"curl -sN {base}/generate_stream -d {shlex.quote(body)}"] if simple else [ours]
    body = json.dumps({"inputs": [_sample_input(declaration, tensor) for tensor in needed]})
    return [ours, f"curl -s {base}/infer -d {shlex.quote(body)}"]


def example_call(declaration: ModelDeclaration) -> list[str]:
    """What ``pytriton-host infer`` takes for one request: the model, and its needed inputs as NAME=VALUE."""
    needed = [tensor for tensor in declaration.inputs if not tensor.optional]
    return [declaration.name, *(f"{tensor.name}={_sample_text(tensor)}" for tensor in needed)]


def _count(shape: tuple[int, ...]) -> int:
    return math.prod(_SAMPLE_LENGTH if dim < 0 else dim for dim in shape)


def _sample_input(declaration: ModelDeclaration, tensor: Tensor) -> dict[str, Any]:
    shape = [_SAMPLE_LENGTH if dim < 0 else dim for dim in tensor.wire_shape]
    batch = [1] if declaration.batched else []
    return {
        "name": tensor.name,
        "datatype": tensor.dtype.triton,
        "shape": batch + shape,
        "data": _sample_items(tensor, _count(tensor.wire_shape)),
    }


def _sample_items(tensor: Tensor, count: int) -> list[Any]:
    if tensor.dtype.python:
        return ["hello"] * count
    if tensor.dtype.triton == "BOOL":
        return [True] * count
    return [number % 100 + 1 for number in range(count)]


def _sample_text(tensor: Tensor) -> str:
    """VALUE of ``pytriton-host infer`` for a small tensor of this kind."""
    shape = [_SAMPLE_LENGTH if dim < 0 else dim for dim in tensor.shape]
    items = _sample_items(tensor, _count(tensor.shape))
    if not shape:
        return items[0] if tensor.dtype.python else json.dumps(items[0])
    if len(shape) == 1 and not tensor.dtype.python:
        return ",".join(json.dumps(item) for item in items)
    return json.dumps(_nested(items, shape))


def _nested(items: list[Any], shape: list[int]) -> list[Any]:
    if len(shape) == 1:
        return items
    step = len(items) // shape[0]
    return [_nested(items[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]
