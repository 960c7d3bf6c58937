"""`pytriton-host new`: writes the project of a plugin."""

from __future__ import annotations

from pathlib import Path

import click

from pytriton_plugins.cli.environment import current_folder
from pytriton_plugins.errors import ConfigError


@click.command("new")
@click.argument("name", metavar="NAME")
@click.option("--hooks", "hooks", is_flag=True, help="Write a hook plugin instead of a model plugin.")
@click.option("--repository", "repository", is_flag=True, help="Write a model repository with an ensemble instead.")
@click.option(
    "--dir", "folder", metavar="DIR", type=click.Path(path_type=Path), help="Folder of the project. Default: ./NAME."
)
def command(name: str, hooks: bool, repository: bool, folder: Path | None) -> None:
    """Write the project of a new plugin.

    It has tests and a README, and is ready to install and to publish. NAME is the name of the distribution, such as
    acme-mean. Nothing is downloaded or installed.

    \b
      pytriton-host new acme-mean               a model plugin
      pytriton-host new acme-guard --hooks      a hook plugin
      pytriton-host new acme-pair --repository  ordinary Triton models
    """
    from pytriton_plugins.discovery.entry_points import framework_version
    from pytriton_plugins.scaffold import Kind, Project, write_project

    if hooks and repository:
        raise ConfigError("--hooks and --repository: a project is one of the two; leave one out")
    kind: Kind = "hooks" if hooks else "repository" if repository else "model"
    target = current_folder() / (folder or name)
    version = framework_version()
    written = write_project(Project(name, kind), target, "0.1" if version == "unknown" else version)
    for path in written:
        click.echo(path.relative_to(current_folder()) if path.is_relative_to(current_folder()) else path)
    place = target.relative_to(current_folder()) if target.is_relative_to(current_folder()) else target
    click.echo(
        f"\nNext: pip install -e '{place}[test]' && pytest {place}" + ("" if hooks else " && pytriton-host serve")
    )
