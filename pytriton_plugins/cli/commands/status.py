"""`pytriton-host status`: the state of the running daemon."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pytriton_plugins.cli.control_options import host_choice, json_option
from pytriton_plugins.host.control.client import HostConnection, find_host
from pytriton_plugins.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

TIMEOUT = 5.0
_REFRESH_INTERVAL = 1.0
_NAMES = {"http": "HTTP", "grpc": "gRPC", "metrics": "metrics"}
MODEL_HEADINGS = ("model", "version", "state", "required", "workers", "restarts", "MiB", "requests")


@click.command("status")
@click.option("--watch", is_flag=True, help="Refresh every second, until interrupted.")
@json_option
@host_choice
def command(watch: bool, as_json: bool, run_dir: str | None, pid: int | None) -> None:
    """Show the state of the running daemon.

    It shows readiness, the tritonserver, models and workers, broken plugins and the last errors. Workers are
    live/wanted with their process ids, MiB of shared memory are touched/in use/limit, requests are in flight/waiting.
    With --json --watch each line is an object.
    """
    host = find_host(run_dir, pid)
    try:
        if not watch:
            status = ask(host)
            _print(status) if not as_json else click.echo(json.dumps(status, indent=2))
        elif as_json:
            for status in _every_second(host):
                click.echo(json.dumps(status))
        else:
            _redraw(host)
    except KeyboardInterrupt:
        pass  # this ends --watch
    finally:
        host.close()


def ask(host: HostConnection) -> dict[str, Any]:
    """The status of ``host``; raises ControlError."""
    status: dict[str, Any] = host.ask({"command": "status"}, TIMEOUT)
    return status


def _every_second(host: HostConnection) -> Iterator[dict[str, Any]]:
    while True:
        yield ask(host)
        time.sleep(_REFRESH_INTERVAL)


def _print(status: dict[str, Any]) -> None:
    from pytriton_plugins.cli.output.tables import print_all

    print_all(_parts(status))


def _redraw(host: HostConnection) -> None:
    from rich.console import Console, Group

    from pytriton_plugins.cli.output.screen import has_screen, second_screen

    console = Console(highlight=False)
    if not has_screen(console):
        for status in _every_second(host):
            _print(status)
        return
    with second_screen(console) as show:
        for status in _every_second(host):
            show(Group(*_parts(status)))


def _parts(status: dict[str, Any]) -> list[RenderableType]:
    from rich.text import Text

    from pytriton_plugins.cli.output.tables import make_table

    parts: list[RenderableType] = [Text(printable(line)) for line in _lines(status)]
    parts += [Text(printable(f"not ready: {reason}"), "red") for reason in status["reasons"]]
    parts.append(make_table(MODEL_HEADINGS, model_rows(status)))
    parts += [Text(printable(line)) for line in _calls(status)]
    if status["broken"]:
        parts.append(make_table(("broken plugin", "error"), [_broken(each) for each in status["broken"]]))
    if status["errors"]:
        rows = [(each["time"], each["logger"], each["message"]) for each in status["errors"]]
        parts.append(make_table(("last errors", "of", "message"), rows))
    return parts


def _lines(status: dict[str, Any]) -> list[str]:
    server, ports = status["tritonserver"], status["ports"]
    ready = "ready" if status["ready"] else "not ready"
    listening = "   ".join(f"{_NAMES[name]} {port}" for name, port in ports.items() if port)
    running = f"pid {server['pid']}" if server["pid"] else "not running"
    return [
        f"pytriton-host {status['version']}   pid {status['pid']}   {status['state']}, {ready}   "
        f"up {_duration(status['uptime'])}",
        f"tritonserver {server['version'] or '?'}   {running}   restarts {server['restarts']}   {server['path']}",
        f"address {status['address']}   {listening}",
    ]


def _calls(status: dict[str, Any]) -> Iterator[str]:
    for model in status["models"]:
        if model["calls"]:
            callees = (f"{each['model']} {each['version'] or ''}".rstrip() for each in model["calls"])
            yield f"{model['model']} {model['version']} calls {', '.join(callees)}"


def model_rows(status: dict[str, Any]) -> list[list[str]]:
    """The table of models, under MODEL_HEADINGS."""
    return [_model_row(model) for model in status["models"]]


def _model_row(model: dict[str, Any]) -> list[str]:
    workers, memory, requests = model["workers"], model["memory"], model["requests"]
    if model["repository"]:  # Triton's own backends run it
        return [*_beginning(model), *["-"] * 4]
    attached = ["attached"] if model["attached"] else []
    sizes = "/".join(_mib(memory[name]) for name in ("touched", "in_use", "max"))
    return [
        *_beginning(model),
        " ".join([f"{workers['live']}/{workers['wanted']}", *attached, *map(str, workers["pids"])]),
        str(model["restarts"]),
        sizes,
        "/".join("?" if count is None else str(count) for count in (requests["in_flight"], requests["waiting"])),
    ]


def _beginning(model: dict[str, Any]) -> list[str]:
    state = "ready" if model["ready"] else model["reason"]
    return [model["model"], str(model["version"]), state, "yes" if model["required"] else "no"]


def _broken(plugin: dict[str, Any]) -> tuple[str, str]:
    of = f"model {model} of " if (model := plugin.get("model")) else ""
    return of + plugin["plugin"] + ("" if plugin["required"] else " (optional)"), plugin["error"]


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f}".removesuffix(".0")


def _duration(seconds: float) -> str:
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, whole = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "m")]
    return " ".join([f"{count}{unit}" for count, unit in parts if count] + [f"{whole}s"])
