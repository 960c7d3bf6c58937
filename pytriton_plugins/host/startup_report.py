"""The start on the operator's terminal: progress, then a table, and lines to paste for each model."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.host.sample_requests import calls
from pytriton_plugins.host.system.network import bracketed, called_at
from pytriton_plugins.text import first_few, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from pytriton_plugins.host.log.setup import Log
    from pytriton_plugins.host.supervision.registry import ModelRegistry
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.values import Ports

_REFRESH_INTERVAL = 0.1
_FILE_WIDTH = 10_000
"""Outside of a terminal each row of the table is one line that can be searched for."""

_MAX_STATE = 24
"""Characters of a state in the table on a terminal. A longer one stands below: it would widen every row."""

_NO_WORKERS = "-"
"""Of a model that Triton's own backends run."""

_MAX_NAMES = 5
"""Names of one kind in the progress line."""

_MAX_SAMPLES = 10
"""Models for which lines to paste are shown."""


@attrs.frozen
class Row:
    """One model, or one plugin without models, as it was when the start was settled."""

    model: str
    version: str
    plugin: str
    distribution: str
    workers: str
    source: str
    why_not: str
    """Empty for a model that is ready."""


class StartupReport:
    """Prints to standard output; the log goes to standard error."""

    def __init__(self, registry: ModelRegistry, log: Log) -> None:
        self._registry = registry
        self._log = log
        self._progress: asyncio.Task[None] | None = None

    def begin_progress(self) -> None:
        """On a terminal, show a line with what is still awaited; elsewhere the log has it."""
        if self._log.shows_progress:
            self._progress = asyncio.create_task(self._show_progress())

    def end_progress(self) -> None:
        """Take the line away, if there is one: the start is settled, has failed or was stopped."""
        if self._progress is not None:
            self._progress.cancel()
            self._progress = None
            self._log.keep_below("")

    async def _show_progress(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            self._log.keep_below(f"starting, {loop.time() - began:.0f} s: {awaited(self._registry)}")
            await asyncio.sleep(_REFRESH_INTERVAL)

    def show_models(self, address: str, ports: Ports, served: Mapping[str, int | None], reasons: Sequence[str]) -> None:
        """The table of plugins and models, why the host is not ready, and how to call each model.

        ``served``: the port of each protocol by name, None for one that is switched off.
        """
        self.end_progress()
        rows = [*self._models(), *self._of_repositories(), *self._broken()]
        loaded = [model.declaration for model in self._registry.models.values() if model.loaded]
        loaded += [each for model in self._registry.repositories.ready() if (each := model.found.declaration)]
        columns = self._log.columns
        # The text is made by the thread that writes it: with hundreds of models that takes too long for this loop.
        self._log.print(lambda: _text(rows, loaded, reasons, address, ports, served, columns))

    def _models(self) -> Iterable[Row]:
        for model in self._registry.models.values():
            status, reference = model.status(), model.reference
            names = (model.name, str(status.version), reference.plugin, reference.label)
            yield Row(*names, str(status.workers), f"model {model.name}", status.reason)

    def _of_repositories(self) -> Iterable[Row]:
        for model in self._registry.repositories.models.values():
            reference = model.found.reference
            for status in model.statuses():
                names = (model.name, str(status.version), reference.plugin, reference.label)
                yield Row(*names, _NO_WORKERS, f"model {model.name}", status.reason)

    def _broken(self) -> Iterable[Row]:
        for record in self._registry.records:
            if record.error:
                names = ("-", "-", record.reference.plugin, record.reference.label)
                yield Row(*names, "0", f"plugin {record.reference.plugin}", record.error)
        for each in self._registry.repositories.broken():
            yield Row(each.model or "-", "-", each.plugin, each.label, _NO_WORKERS, each.subject, each.error)


def _text(
    rows: Sequence[Row],
    loaded: Sequence[ModelDeclaration],
    reasons: Sequence[str],
    address: str,
    ports: Ports,
    served: Mapping[str, int | None],
    columns: int | None,
) -> str:
    from rich.console import Console
    from rich.text import Text

    shown = io.StringIO()
    console = Console(
        file=shown, soft_wrap=True, highlight=False, markup=False, force_terminal=columns is not None or None,
        width=columns or _FILE_WIDTH,
    )  # fmt: skip
    if rows:
        console.print(_fitting(console, rows, columns))
    for problem in _problems(rows, reasons, columns):
        console.print(Text(printable(problem), "red"))
    address, over_http = bracketed(called_at(address)), served["http"] is not None
    console.print(f"\n{_listening(address, served)}")
    for declaration in loaded[:_MAX_SAMPLES]:
        console.print("\n" + "\n".join(map(printable, calls(declaration, address, ports, over_http=over_http))))
    if len(loaded) > _MAX_SAMPLES:
        console.print(f"\n{len(loaded) - _MAX_SAMPLES} more models: pytriton-host infer MODEL names the inputs of each")
    # rich pads the last column. On a terminal the log stands above.
    return ("\n" if columns else "") + "".join(f"{line.rstrip()}\n" for line in shown.getvalue().splitlines())


def _fitting(console: Console, rows: Sequence[Row], columns: int | None) -> Table:
    """The table with each plugin's distribution, or without where it would be too wide for the terminal."""
    table = _table([(row, row.distribution) for row in rows], columns)
    # Without a width of its own the measure would be the terminal's at most.
    unbounded = console.options.update(max_width=_FILE_WIDTH)
    if columns and console.measure(table, options=unbounded).maximum > columns:
        return _table([(row, row.plugin) for row in rows], columns)
    return table


def _table(rows: Iterable[tuple[Row, str]], columns: int | None) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("MODEL", "VERSION", "PLUGIN", "WORKERS", "STATE"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("VERSION", "WORKERS"))
    for row, plugin in rows:
        table.add_row(row.model, row.version, Text(printable(plugin)), row.workers, _state(row, columns))
    return table


def _state(row: Row, columns: int | None) -> Text:
    from rich.text import Text

    if not row.why_not:
        return Text("ready", "green")
    short = "not served" if row.why_not.startswith("calls ") else "failed"
    return Text(short if _stands_below(row, columns) else printable(row.why_not), "red")


def _stands_below(row: Row, columns: int | None) -> bool:
    return columns is not None and len(row.why_not) > _MAX_STATE


def _problems(rows: Sequence[Row], reasons: Sequence[str], columns: int | None) -> list[str]:
    """States that do not fit into the table, and why the host is not ready; each once."""
    below = [f"{row.source}: {row.why_not}" for row in rows if _stands_below(row, columns)]
    return [each for each in below if each not in reasons] + [f"not ready: {reason}" for reason in reasons]


def awaited(registry: ModelRegistry) -> str:
    """What the start still waits for; the first few names of each kind."""
    records = [record for record in registry.records if not record.models and not record.error]
    models = [model for model in registry.models.values() if not model.loaded and not model.error]
    importing = [record.reference.plugin for record in records if not registry.turns.awaits(record)]
    loading = [model.name for model in models if not model.waits]
    waiting = len(records) + len(models) - len(importing) - len(loading)
    loading += registry.repositories.loading()
    parts = [f"importing {first_few(importing, _MAX_NAMES)}"] if importing else []
    parts += [f"loading {first_few(loading, _MAX_NAMES)}"] if loading else []
    parts += [f"{waiting} wait{'s' if waiting == 1 else ''} for a turn to start"] if waiting else []
    return printable("; ".join(parts) or "opening") + " …"


def _listening(address: str, ports: Mapping[str, int | None]) -> str:
    """Where each protocol that is served can be called."""
    forms = {"http": "HTTP http://{}", "grpc": "gRPC {}", "metrics": "metrics http://{}/metrics"}
    served = {name: port for name, port in ports.items() if port is not None}
    return "   ".join(forms[name].format(f"{address}:{port}") for name, port in served.items())
