"""`pytriton-host manifests`: Kubernetes objects for what would be served; imports each plugin in a child of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pytriton_plugins.cli.app import explain, here
from pytriton_plugins.cli.loading import inspected, loaded_config, loaded_hooks
from pytriton_plugins.cli.options import host_options
from pytriton_plugins.errors import ConfigError, PytritonPluginsError
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from pytriton_plugins.config import HostConfig
    from pytriton_plugins.deploy.manifests.knobs import Knob
    from pytriton_plugins.deploy.manifests.plan import Plan

FORMS = ("kubernetes", "helm", "kserve")
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,46}[a-z0-9])?")
_EPILOG = """\b
  pytriton-host manifests --image registry.example/acme:1.2 | kubectl apply -f -
  pytriton-host manifests --image registry.example/acme:1.2 --format helm -o chart
  helm upgrade --install acme ./chart --set replicas=3
"""


@click.command("manifests", epilog=_EPILOG)
@click.option("--image", metavar="IMAGE", help="The image that runs: what you built from 'pytriton-host image'.")
@click.option("--name", metavar="NAME", default="models", show_default=True, help="What the objects are called.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    default="kubernetes",
    show_default=True,
    help="Plain objects, a Helm chart of the same, or a KServe ServingRuntime with its InferenceService.",
)
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="Change a value. Repeatable.")
@click.option("--values", "show_values", is_flag=True, help="Show every value that --set and the chart take, and end.")
@click.option(
    "--model-memory",
    "memory",
    metavar="[MODEL=]SIZE",
    multiple=True,
    help="What each worker of a model needs, weights included. Repeatable. Default: 512MiB.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A file for each object in DIR. Default: all on standard output.",
)
@click.option("--json", "as_json", is_flag=True, help='Print JSON with "schema": 1.')
@host_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    image: str | None,
    name: str,
    form: str,
    settings: tuple[str, ...],
    show_values: bool,
    memory: tuple[str, ...],
    folder: Path | None,
    as_json: bool,
    **options: object,
) -> int:
    """Write Kubernetes objects for the installed plugins and the configuration that 'serve' would have.

    A Deployment with its probes, memory, grace period and rights; Services; a ConfigMap of pytriton-host.toml;
    PodDisruptionBudget, HorizontalPodAutoscaler, PodMonitor and NetworkPolicy. Every plugin is imported in a process
    of its own, for its models: memory is theirs and the shared memory's together.
    """
    if not image and not show_values:
        raise click.UsageError("--image is missing: the image that the cluster is to run")
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"--name {one_line(name)}: write lower-case letters, digits and -, at most 48, beginning with a letter"
        )
    if form == "helm" and folder is None and not (show_values or as_json):
        raise click.UsageError("a chart is several files: name a folder with -o")
    from pytriton_plugins.deploy.manifests.choices import choices

    config = loaded_config(ctx)
    plan = _plan(config, image or "IMAGE:TAG", _sizes(memory))
    knobs = choices(plan, settings)
    if show_values:
        return _show_values(knobs, as_json)
    files = _files(form, plan, knobs, name)
    if as_json:
        click.echo(json.dumps({"schema": 1, "files": files}, indent=2))
    elif folder is None:
        click.echo("---\n".join(files.values()), nl=False)
    else:
        _write(here() / folder, files)
    _tell(plan, knobs, as_json or folder is None)
    return 0


def _plan(config: HostConfig, image: str, memory: Mapping[str, int]) -> Plan:
    """From what is installed; a plugin that cannot be imported ends it, for the pods would not become ready."""
    from pytriton_plugins.deploy.manifests.plan import make_plan
    from pytriton_plugins.host.report import example_call
    from pytriton_plugins.values import Ports

    broken: dict[str, str] = {}
    hooks = loaded_hooks(config, broken)
    for label, error in broken.items():
        raise ConfigError(f"hook plugin {label}: {error.removeprefix(f'hook plugin {label}: ')}")
    chosen = hooks.choose_ports(Ports(config.http_port, config.grpc_port, config.metrics_port))
    ports = chosen.value if chosen else Ports(config.http_port, config.grpc_port, config.metrics_port)
    found = inspected(config, hooks)
    for each in found:
        if each.error:
            raise PytritonPluginsError(f"plugin {each.reference.label}: {each.error}")
    models = [model for each in found for model in each.models]
    if not models:
        raise PytritonPluginsError("there is nothing to serve; install the model plugins that the image has")
    return make_plan(config, ports, models, image, memory, example_call(models[0]))


def _sizes(texts: Iterable[str]) -> dict[str, int]:
    from pytriton_plugins.settings import parse_size

    sizes = {}
    for text in texts:
        name, _, size = text.rpartition("=")
        try:
            sizes[name] = parse_size(size)
        except ValueError as error:
            raise ConfigError(f"--model-memory {one_line(text)}: {error}") from None
    return sizes


def _files(form: str, plan: Plan, knobs: list[Knob], name: str) -> dict[str, str]:
    """The text of each file, by its path."""
    if form == "helm":
        from pytriton_plugins.deploy.manifests.chart import chart_files
        from pytriton_plugins.discovery.entry_points import framework_version

        return chart_files(plan, knobs, name, framework_version())
    from pytriton_plugins.deploy.manifests import kserve, kubernetes
    from pytriton_plugins.deploy.manifests.rendering import rendered

    kinds = kserve.KINDS if form == "kserve" else kubernetes.KINDS
    return rendered(kinds, plan, knobs, name)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Files that a form does not have any more are left to the operator, who may have put others there."""
    try:
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            click.echo(target.relative_to(here()) if target.is_relative_to(here()) else target)
    except OSError as error:
        raise ConfigError(f"-o {folder}: {error.strerror}; name another folder") from None


def _show_values(knobs: list[Knob], as_json: bool) -> int:
    if as_json:
        values = [{"name": knob.name, "default": knob.default, "text": knob.text} for knob in knobs]
        click.echo(json.dumps({"schema": 1, "values": values}, indent=2))
        return 0
    from pytriton_plugins.cli.tables import print_table

    print_table(("value", "is", "for"), [(knob.name, _short(knob.default), knob.text) for knob in knobs])
    return 0


def _short(value: Any) -> str:
    return one_line(value, 60) if isinstance(value, str) else one_line(json.dumps(value), 60)


def _tell(plan: Plan, knobs: list[Knob], on_error: bool) -> None:
    """What the memory is made of, and what the image does not have; on standard error beside YAML or JSON."""
    from pytriton_plugins.deploy.manifests.sizing import parts, quantity, total

    for source in plan.left_out:
        explain(f"warning: {source} means a place on this machine, so it is left out; the image has its own")
    values = {knob.name: knob.default for knob in knobs}
    rows = [part.row for part in parts(plan, values)] + [("together", quantity(total(plan, values)), "")]
    if on_error:
        explain("memory of a replica: " + ", ".join(f"{what} {size}" for what, size, _ in rows))
        return
    from pytriton_plugins.cli.tables import print_table

    print_table(("memory of a replica", "size", "changed by"), rows)
