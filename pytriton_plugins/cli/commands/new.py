"""`pytriton-host new`: writes the project of a plugin; runs in the called process."""

from __future__ import annotations

from pathlib import Path

import click

from pytriton_plugins.cli.app import here


@click.command("new")
@click.argument("name", metavar="NAME")
@click.option("--hooks", "hooks", is_flag=True, help="A hook plugin instead of a model plugin.")
@click.option("--dir", "folder", metavar="DIR", type=click.Path(path_type=Path), help="Where. Default: ./NAME.")
def command(name: str, hooks: bool, folder: Path | None) -> None:
    """Write the project of a new plugin, with tests and README, ready to install and publish.

    NAME is the distribution's, such as acme-mean. Nothing is fetched and nothing is installed.

    \b
      pytriton-host new acme-mean             a model plugin
      pytriton-host new acme-guard --hooks    a hook plugin
    """
    from pytriton_plugins.discovery.entry_points import framework_version
    from pytriton_plugins.scaffold import Project, write_project

    target = here() / (folder or name)
    version = framework_version()
    written = write_project(
        Project(name, "hooks" if hooks else "model"), target, "0.1" if version == "unknown" else version
    )
    for path in written:
        click.echo(path.relative_to(here()) if path.is_relative_to(here()) else path)
    place = target.relative_to(here()) if target.is_relative_to(here()) else target
    click.echo(
        f"\nNext: pip install -e '{place}[test]' && pytest {place}" + ("" if hooks else " && pytriton-host serve")
    )
