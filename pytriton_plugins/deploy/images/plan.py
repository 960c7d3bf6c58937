"""The plan of an image: everything that `pytriton-host image` writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
from packaging.utils import canonicalize_name

from pytriton_plugins.config.file import FILE_NAME, ConfigFile, find_config_file
from pytriton_plugins.config.readers import parse_port
from pytriton_plugins.deploy.common import LOCAL_PATHS, interpreter_warnings
from pytriton_plugins.deploy.images.containerfile import Image, Server, containerfile
from pytriton_plugins.deploy.images.context import ignore_file
from pytriton_plugins.deploy.images.pins import pinned
from pytriton_plugins.deploy.images.requirements import Wanted, providers_of, read_implied, read_requirement
from pytriton_plugins.errors import ConfigError

FRAMEWORK = "pytriton-plugins"
BUNDLE = "pytriton-plugins-tritonserver"
_PYPROJECT = "pyproject.toml"


@attrs.frozen
class ImagePlan:
    """An image, the texts and copies of its build context by their paths there, and warnings for the user."""

    image: Image
    texts: dict[str, str]
    copies: dict[str, Path]
    meaning: dict[str, str]
    warnings: tuple[str, ...]


def make_plan(requirements: Sequence[str], server: Server, config: Path | None, folder: Path) -> ImagePlan:
    """The plan for an image of ``requirements``; relative paths start at ``folder``. Raises ConfigError."""
    framework, plugins = _separated([read_requirement(text, folder) for text in requirements], server)
    file = find_config_file(config, folder)
    name = _name_in_image(file)
    image = Image(server, framework, plugins, name, _ports(file))
    of_framework, of_all = pinned(framework), pinned([*framework, *plugins])
    texts = {
        "Containerfile": containerfile(image),
        "framework/requirements.txt": _lines(framework, "framework"),
        "framework/constraints.txt": of_framework.text(),
        "requirements.txt": _lines(plugins, "plugins"),
        "constraints.txt": of_all.text(),
    }
    copies = {f"framework/{each.copied_as}": each.path for each in framework if each.path}
    copies |= {f"plugins/{each.copied_as}": each.path for each in plugins if each.path}
    if name:
        copies[name] = file.path
    tops = {place.partition("/")[0] for place in (*texts, *copies)} - {"Containerfile"}
    texts[".dockerignore"] = ignore_file(list(tops))
    warnings = (server.warning, *of_all.warnings, *_warnings([*framework, *plugins], file))
    return ImagePlan(image, texts, copies, _meaning(image, copies), tuple(line for line in warnings if line))


def _separated(given: list[Wanted], server: Server) -> tuple[tuple[Wanted, ...], tuple[Wanted, ...]]:
    """The framework, with the bundled server if it is wanted, and the plugins."""
    by_name: dict[str, Wanted] = {}
    for each in given:
        if each.name in by_name:
            raise ConfigError(
                f"{each.name} is given twice, as {by_name[each.name].text} and {each.text}; leave one out"
            )
        by_name[each.name] = each
    names = (FRAMEWORK, BUNDLE) if server.bundle else (FRAMEWORK,)
    framework = tuple(_placed(by_name.pop(name, None), name) for name in names)
    if not by_name:
        raise ConfigError(
            "the image has no plugin to serve; name one, such as --install acme-add or --install ./acme-add"
        )
    return framework, tuple(by_name.values())


def _placed(given: Wanted | None, name: str) -> Wanted:
    """``given``, or without a version and a location the origin of the distribution that is installed here."""
    if given is None:
        return read_implied(name)
    bare = given.path is None and not given.url and not given.specifier
    return read_implied(name, given.extras) if bare else given


def _lines(wanted: Sequence[Wanted], folder: str) -> str:
    return "".join(f"{each.line(folder)}\n" for each in wanted)


def _name_in_image(file: ConfigFile) -> str:
    """The name under which `serve` finds the file in the image; "" if there is no file or no table in it."""
    if not file.path.is_file() or (file.path.name == _PYPROJECT and file.is_empty):
        return ""
    return _PYPROJECT if file.path.name == _PYPROJECT else FILE_NAME


def _ports(file: ConfigFile) -> tuple[int, ...]:
    names = {"http_port": 8000, "grpc_port": 8001, "metrics_port": 8002}
    try:
        return tuple(parse_port(file.values.get(name, usual)) or usual for name, usual in names.items())
    except ValueError as error:
        raise ConfigError(f"{file.path}: {error}") from None


def _warnings(wanted: Sequence[Wanted], file: ConfigFile) -> list[str]:
    lines = [
        f"{each.path} has a dynamic version, and the copy may lack its source: "
        "if the build fails, give --install a wheel of it"
        for each in wanted
        if each.path and each.path.is_dir() and each.metadata and each.metadata.dynamic_version
    ]
    lines += [
        f"--install {each.text}: installs the distribution of that name; "
        f"the plugin {each.name} is in {', '.join(providers)}"
        for each in wanted
        if (each.path is None and not each.url) and (providers := _others_with_that_plugin(each))
    ]
    lines += [
        f"{file.path}: {name} is a path that the image may not have" for name in LOCAL_PATHS if name in file.values
    ]
    return [*lines, *interpreter_warnings(file.tables.path, file.tables.environments)]


def _others_with_that_plugin(wanted: Wanted) -> list[str]:
    return [name for name in providers_of(wanted.name) if canonicalize_name(name) != wanted.name]


def _meaning(image: Image, copies: dict[str, Path]) -> dict[str, str]:
    """The purpose of each file, by its path."""
    return {
        **{path: f"copied from {source}" for path, source in copies.items()},
        "Containerfile": f"from {image.server.base}",
        "framework/requirements.txt": "the framework",
        "framework/constraints.txt": "exact versions of its dependencies, as installed here",
        "requirements.txt": "the plugins",
        "constraints.txt": "exact versions of all dependencies, as installed here",
        ".dockerignore": "files that the build may read",
    }
