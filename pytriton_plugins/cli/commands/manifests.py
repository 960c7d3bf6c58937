"""`pytriton-host manifests`: Kubernetes objects for the installed plugins; imports each plugin in a child process."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pytriton_plugins.cli.environment import current_folder, loaded_config
from pytriton_plugins.cli.help import SettingsCommand
from pytriton_plugins.cli.options import host_options
from pytriton_plugins.cli.output.messages import explain
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from pytriton_plugins.deploy.manifests.plan import DeploymentPlan
    from pytriton_plugins.deploy.manifests.values_schema import ValueSpec

FORMS = ("kubernetes", "helm", "kserve")
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,46}[a-z0-9])?")
_EPILOG = """\b
  pytriton-host manifests --image example.org/acme:1.2 | kubectl apply -f -
  pytriton-host manifests --image example.org/acme:1.2 --format helm -o chart
  helm upgrade --install acme ./chart --set autoscaling.minReplicas=3
"""


@click.command("manifests", cls=SettingsCommand, epilog=_EPILOG)
@click.option("--image", metavar="IMAGE", help="Image to run, built from the output of 'pytriton-host image'.")
@click.option("--name", metavar="NAME", default="models", show_default=True, help="Name of the objects.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    default="kubernetes",
    show_default=True,
    help="Plain objects, a Helm chart of the same objects, or a KServe ServingRuntime with its InferenceService.",
)
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="Change a value. Repeatable.")
@click.option("--values", "show_values", is_flag=True, help="Show the values of --set and the chart, and exit.")
@click.option(
    "--model-memory",
    "memory",
    metavar="[MODEL=]SIZE",
    multiple=True,
    help="Memory of each worker of a model, weights included. Repeatable. Default: 512MiB.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write a file for each object into DIR. Default: print all on standard output.",
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
    """Write Kubernetes objects or a Helm chart for the plugins.

    The objects are a Deployment with its probes, memory, grace period and rights; Services; a ConfigMap of
    pytriton-host.toml; PodDisruptionBudget, HorizontalPodAutoscaler and NetworkPolicy. They deploy the installed
    plugins with the settings that 'serve' would have, and need no additions to the cluster, except that --set
    podMonitor.enabled=true needs the Prometheus operator, and --set autoscaling.metric=requests its adapter. Every
    plugin is imported in a process of its own, to add up the memory of its models.
    """
    if not image and not show_values:
        raise click.UsageError("--image is missing; name the image to run")
    if form == "helm" and folder is None and not (show_values or as_json):
        raise click.UsageError("--format helm writes several files; name a folder with -o")
    _check_name(name)
    from pytriton_plugins.cli.deployment import planned, sizes

    plan = planned(loaded_config(ctx), image or "IMAGE:TAG", sizes(memory))
    specs = _specs(plan, form, settings)
    if show_values:
        return _show_values(specs, as_json)
    files = _files(form, plan, specs, name)
    if as_json or folder is None:
        text = json.dumps({"schema": 1, "files": files}, indent=2) + "\n" if as_json else "---\n".join(files.values())
        click.echo(text, nl=False)
        _tell(plan, specs, on_error=True)
        return 0
    _write(current_folder() / folder, files)
    _tell(plan, specs, on_error=False)
    click.echo(f"Next: {_next(form, name, folder)}")
    return 0


def _next(form: str, name: str, folder: Path) -> str:
    if form == "helm":
        # Helm takes a name without a slash for a chart of a repository.
        place = str(folder) if folder.is_absolute() or str(folder).startswith(".") else f"./{folder}"
        return f"helm upgrade --install {name} {shlex.quote(place)}"
    return f"kubectl apply -f {shlex.quote(str(folder))}"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"--name: invalid name {one_line(name)}: expected at most 48 lower-case letters, digits and -, "
            "starting with a letter"
        )


def _specs(plan: DeploymentPlan, form: str, settings: Iterable[str]) -> list[ValueSpec]:
    """The values that the form has, changed by ``settings``."""
    from pytriton_plugins.deploy.manifests.kserve import NOT_KNOWN
    from pytriton_plugins.deploy.manifests.values_defaults import default_specs
    from pytriton_plugins.deploy.manifests.values_schema import changed

    every = default_specs(plan)
    return changed([spec for spec in every if form != "kserve" or not spec.name.startswith(NOT_KNOWN)], settings)


def _files(form: str, plan: DeploymentPlan, specs: list[ValueSpec], name: str) -> dict[str, str]:
    """The text of each file, by its path."""
    from pytriton_plugins.discovery.entry_points import framework_version

    if form == "helm":
        from pytriton_plugins.deploy.manifests.chart import chart_files

        return chart_files(plan, specs, name, framework_version())
    from pytriton_plugins.deploy.manifests import kserve, kubernetes
    from pytriton_plugins.deploy.manifests.rendering import rendered

    kinds = kserve.KINDS if form == "kserve" else kubernetes.KINDS
    return rendered(kinds, plan, specs, name, framework_version())


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Older files in ``folder`` stay: the operator may have added some."""
    try:
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            click.echo(target.relative_to(current_folder()) if target.is_relative_to(current_folder()) else target)
    except OSError as error:
        raise ConfigError(f"-o {folder}: {error.strerror}; name another folder") from None


def _show_values(specs: list[ValueSpec], as_json: bool) -> int:
    if as_json:
        values = [{"name": spec.name, "default": spec.default, "text": spec.text} for spec in specs]
        click.echo(json.dumps({"schema": 1, "values": values}, indent=2))
        return 0
    from pytriton_plugins.cli.output.tables import print_table

    print_table(("value", "default", "purpose"), [(spec.name, _short(spec.default), spec.text) for spec in specs])
    return 0


def _short(value: Any) -> str:
    return one_line(value, 60) if isinstance(value, str) else one_line(json.dumps(value), 60)


def _tell(plan: DeploymentPlan, specs: list[ValueSpec], on_error: bool) -> None:
    """Print the parts of the memory and the warnings; on standard error if standard output has YAML or JSON."""
    from pytriton_plugins.deploy.manifests.sizing import parts, quantity, total

    for line in plan.warnings:
        explain(f"warning: {line}")
    values = {spec.name: spec.default for spec in specs}
    rows = [*(part.row for part in parts(plan, values)), ("total", quantity(total(values)), "")]
    if on_error:
        explain("memory of a replica: " + ", ".join(f"{name} {size}" for name, size, _ in rows))
        return
    from pytriton_plugins.cli.output.tables import print_table

    print_table(("memory of a replica", "size", "changed by"), rows)
