"""`pytriton-host manifests`: Kubernetes objects for what would be served; imports each plugin in a child of its own."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pytriton_plugins.cli.app import explain, here
from pytriton_plugins.cli.environment import loaded_config
from pytriton_plugins.cli.options import host_options
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from pytriton_plugins.deploy.manifests.plan import Plan
    from pytriton_plugins.deploy.manifests.values_schema import Knob

FORMS = ("kubernetes", "helm", "kserve")
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,46}[a-z0-9])?")
_EPILOG = """\b
  pytriton-host manifests --image registry.example/acme:1.2 | kubectl apply -f -
  pytriton-host manifests --image registry.example/acme:1.2 --format helm -o chart
  helm upgrade --install acme ./chart --set autoscaling.minReplicas=3
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
    PodDisruptionBudget, HorizontalPodAutoscaler and NetworkPolicy. A cluster without additions takes them all;
    --set podMonitor.enabled=true and autoscaling.metric=requests need the Prometheus operator and its adapter.
    Every plugin is imported in a process of its own, for its models: memory is theirs and the shared memory's together.
    """
    if not image and not show_values:
        raise click.UsageError("--image is missing: the image that the cluster is to run")
    if form == "helm" and folder is None and not (show_values or as_json):
        raise click.UsageError("a chart is several files: name a folder with -o")
    _check_name(name)
    from pytriton_plugins.cli.deployment import planned, sizes

    plan = planned(loaded_config(ctx), image or "IMAGE:TAG", sizes(memory))
    knobs = _knobs(plan, form, settings)
    if show_values:
        return _show_values(knobs, as_json)
    files = _files(form, plan, knobs, name)
    if as_json or folder is None:
        text = json.dumps({"schema": 1, "files": files}, indent=2) + "\n" if as_json else "---\n".join(files.values())
        click.echo(text, nl=False)
        _tell(plan, knobs, on_error=True)
        return 0
    _write(here() / folder, files)
    _tell(plan, knobs, on_error=False)
    click.echo(f"Next: {_next(form, name, folder)}")
    return 0


def _next(form: str, name: str, folder: Path) -> str:
    if form == "helm":
        # Without a slash Helm would look for a repository's chart.
        place = str(folder) if folder.is_absolute() or str(folder).startswith(".") else f"./{folder}"
        return f"helm upgrade --install {name} {shlex.quote(place)}"
    return f"kubectl apply -f {shlex.quote(str(folder))}"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"--name {one_line(name)}: write lower-case letters, digits and -, at most 48, beginning with a letter"
        )


def _knobs(plan: Plan, form: str, settings: Iterable[str]) -> list[Knob]:
    """The values that the form has, changed by ``settings``."""
    from pytriton_plugins.deploy.manifests.kserve import NOT_KNOWN
    from pytriton_plugins.deploy.manifests.values_defaults import choices
    from pytriton_plugins.deploy.manifests.values_schema import changed

    every = choices(plan)
    return changed([knob for knob in every if form != "kserve" or not knob.name.startswith(NOT_KNOWN)], settings)


def _files(form: str, plan: Plan, knobs: list[Knob], name: str) -> dict[str, str]:
    """The text of each file, by its path."""
    from pytriton_plugins.discovery.entry_points import framework_version

    if form == "helm":
        from pytriton_plugins.deploy.manifests.chart import chart_files

        return chart_files(plan, knobs, name, framework_version())
    from pytriton_plugins.deploy.manifests import kserve, kubernetes
    from pytriton_plugins.deploy.manifests.rendering import rendered

    kinds = kserve.KINDS if form == "kserve" else kubernetes.KINDS
    return rendered(kinds, plan, knobs, name, framework_version())


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
    from pytriton_plugins.cli.output.tables import print_table

    print_table(("value", "is", "for"), [(knob.name, _short(knob.default), knob.text) for knob in knobs])
    return 0


def _short(value: Any) -> str:
    return one_line(value, 60) if isinstance(value, str) else one_line(json.dumps(value), 60)


def _tell(plan: Plan, knobs: list[Knob], on_error: bool) -> None:
    """What the memory is made of, and what the image does not have; on standard error beside YAML or JSON."""
    from pytriton_plugins.deploy.manifests.sizing import parts, quantity, total

    for line in plan.doubts:
        explain(f"warning: {line}")
    values = {knob.name: knob.default for knob in knobs}
    rows = [*(part.row for part in parts(plan, values)), ("together", quantity(total(values)), "")]
    if on_error:
        explain("memory of a replica: " + ", ".join(f"{what} {size}" for what, size, _ in rows))
        return
    from pytriton_plugins.cli.output.tables import print_table

    print_table(("memory of a replica", "size", "changed by"), rows)
