"""`pytriton-host image`: writes a Containerfile and its build context."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytriton_plugins.cli.environment import current_folder
from pytriton_plugins.cli.options import config_option
from pytriton_plugins.cli.output.messages import explain

if TYPE_CHECKING:
    from pytriton_plugins.deploy.images.plan import ImagePlan


@click.command("image")
@click.argument("more", metavar="[REQUIREMENT]...", nargs=-1)
@click.option(
    "--install",
    "requirements",
    metavar="REQUIREMENT",
    multiple=True,
    help="Distribution for the image, as pip takes it: acme-add[gpu]>=1.2, a URL, ./plugins/acme-add, a wheel. "
    "Repeatable; one --install is enough for several.",
)
@click.option(
    "--server",
    metavar="SERVER",
    default="triton",
    help="triton:TAG for NVIDIA's image of that release, or bundle for the small server for development. "
    "Default: triton, with the newest release that this program knows.",
)
@click.option("--base", metavar="IMAGE", help="Base image, also NAME@sha256:DIGEST. Default: the server's.")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("image"),
    help="Folder of the build context. Default: ./image.",
)
@click.option("--force", is_flag=True, help="Write also into a folder that is not empty; other files stay.")
@click.option("--json", "as_json", is_flag=True, help='Print JSON with "schema": 1.')
@config_option("config")
def command(
    more: tuple[str, ...],
    requirements: tuple[str, ...],
    server: str,
    base: str | None,
    output: Path,
    force: bool,
    as_json: bool,
    config: str | None,
) -> None:
    """Write a Containerfile and its build context.

    The image serves the plugins that it installs. Versions are pinned to those that are installed here, so that each
    build gives the same image. Of a local folder only the sources of its wheel are copied. The configuration file that
    'serve' would read is included. Nothing is downloaded or built.

    \b
      pytriton-host image --install acme-add
      pytriton-host image --install ./acme-add --server bundle
      podman build --format docker -t acme-add image
    """
    from pytriton_plugins.deploy.images.containerfile import read_server
    from pytriton_plugins.deploy.images.context import write_context
    from pytriton_plugins.deploy.images.plan import make_plan

    plan = make_plan(
        (*requirements, *more), read_server(server, base), Path(config) if config else None, current_folder()
    )
    written = write_context((current_folder() / output).resolve(), plan.texts, plan.copies, force)
    for line in plan.warnings:
        explain(f"warning: {line}")
    if as_json:
        _print_json(plan, output, written)
        return
    from pytriton_plugins.cli.output.tables import print_table

    print_table(("file", "bytes", ""), [(str(output / name), f"{size}", plan.meaning[name]) for name, size in written])
    first, second = _next(plan, output)
    click.echo(f"Next: {first}\n  or: {second}")


def _next(plan: ImagePlan, output: Path) -> tuple[str, str]:
    """The commands that build the image, for podman and docker. Only the docker format has health checks."""
    name, folder = plan.image.name, shlex.quote(str(output))
    containerfile = shlex.quote(str(output / "Containerfile"))
    return f"podman build --format docker -t {name} {folder}", f"docker build -f {containerfile} -t {name} {folder}"


def _print_json(plan: ImagePlan, output: Path, written: list[tuple[str, int]]) -> None:
    document = {
        "schema": 1,
        "directory": str(output),
        "base": plan.image.server.base,
        "server": "bundle" if plan.image.server.bundle else "triton",
        "name": plan.image.name,
        "files": [{"path": name, "bytes": size, "what": plan.meaning[name]} for name, size in written],
        "warnings": list(plan.warnings),
        "next": list(_next(plan, output)),
    }
    click.echo(json.dumps(document, indent=2))
