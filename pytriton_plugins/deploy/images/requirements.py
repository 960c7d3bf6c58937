"""The requirements of an image, as pip takes them, and their metadata."""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from email.parser import Parser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytriton_plugins.discovery.entry_points import find_hooks, find_models, installed_distribution
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line

_EXTRAS = re.compile(r"(?P<path>.+?)(\[(?P<extras>[\w\s,.-]*)\])?")
_SOURCES = ("source", "source code", "repository", "code", "github", "homepage")


@attrs.frozen
class Metadata:
    """A distribution's metadata; ``requires`` are its requirements with their markers."""

    version: str = ""
    summary: str = ""
    license: str = ""
    source: str = ""
    requires: tuple[str, ...] = ()
    dynamic_version: bool = False


@attrs.frozen
class Wanted:
    """One requirement: ``text`` as it was given, the distribution's normalized ``name``, and its ``path`` if local."""

    text: str
    name: str
    extras: frozenset[str] = frozenset()
    path: Path | None = None
    specifier: str = ""
    url: str = ""
    metadata: Metadata | None = None

    @property
    def copied_as(self) -> str:
        """The name in the build context; a wheel or an archive keeps its own name, which pip reads."""
        return "" if self.path is None else self.path.name if self.path.is_file() else self.name

    def line(self, folder: str) -> str:
        """The line in a requirements file beside ``folder``, which holds the copies."""
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return f"./{folder}/{self.copied_as}{extras}" if self.path else self.text


def read_requirement(text: str, folder: Path) -> Wanted:
    """The requirement that ``text`` means; a relative path starts at ``folder``. ConfigError for what pip refuses."""
    path = _local(text, folder)
    if path is not None:
        return _of_path(text, *path)
    try:
        text = _with_name(text)
        requirement = Requirement(text)
    except InvalidRequirement:
        raise ConfigError(
            f"--install {one_line(repr(text))}: not a requirement, and not a path that exists; "
            "write it as pip takes it, such as acme-add>=1.2 or ./plugins/acme-add"
        ) from None
    name = str(canonicalize_name(requirement.name))
    extras = frozenset(requirement.extras)
    if (requirement.url or "").startswith("file:"):
        return _of_url(text, name, extras, str(requirement.url))
    found = installed_distribution(requirement.name)
    if found is None and not requirement.url:
        _refuse_a_plugin(text, requirement, folder)
    metadata = None if found is None else of_distribution(found)
    return Wanted(text, name, extras, None, str(requirement.specifier), requirement.url or "", metadata)


def providers_of(plugin: str) -> list[str]:
    """The installed distributions with a plugin of that name, in any normalized form."""
    wanted = canonicalize_name(plugin)
    return sorted(
        {each.distribution for each in (*find_models(), *find_hooks()) if canonicalize_name(each.plugin) == wanted}
    )


def _refuse_a_plugin(text: str, requirement: Requirement, folder: Path) -> None:
    """ConfigError for the name of a plugin: pip would install an unrelated distribution of that name."""
    if not (providers := providers_of(requirement.name)):
        return
    rest = text.strip().removeprefix(requirement.name)
    ways = [f"{name}{rest}" for name in providers]
    if (folder / requirement.name / "pyproject.toml").is_file():
        ways.append(f"./{requirement.name} for the folder")
    raise ConfigError(
        f"--install {one_line(text)}: {one_line(requirement.name)} is a plugin, not a distribution; "
        f"write {one_line(' or '.join(ways))}"
    )


def _with_name(text: str) -> str:
    """A bare URL with its distribution's name before it, other text unchanged; ConfigError for a URL without a name."""
    if not re.match(r"[A-Za-z][\w+.-]*://", text):
        return text
    url = urlsplit(text)
    egg = re.search(r"(?:^|&)egg=([\w.-]+)", url.fragment)
    file = re.fullmatch(r"(?P<name>.+?)-\d[^/]*\.(?:whl|tar\.\w+|zip)", unquote(url.path.rpartition("/")[2]))
    if not egg and not file:
        raise ConfigError(
            f"--install {one_line(text)}: the URL has no name of a distribution; write NAME @ {one_line(text)}"
        )
    return f"{egg[1] if egg else file['name']} @ {text}"  # type: ignore[index]


def _of_url(text: str, name: str, extras: frozenset[str], url: str) -> Wanted:
    """A ``NAME @ file:…``, which is a local path."""
    found = _of_path(text, _path_of(url), extras)
    if found.name != name:
        raise ConfigError(f"--install {one_line(text)}: {found.path} holds {found.name}, not {name}; correct the name")
    return found


def read_implied(name: str, extras: frozenset[str] = frozenset()) -> Wanted:
    """A requirement that the user did not name, from the origin of its installation: index, URL, folder or wheel."""
    found = installed_distribution(name)
    text = f"{name}[{','.join(sorted(extras))}]" if extras else name
    if found is None:
        return Wanted(text, name, extras)
    url = origin(found)
    if not url.startswith("file:"):
        requirement = f"{text} @ {url}" if url else text
        return Wanted(requirement, name, extras, None, "", url, of_distribution(found))
    path = _path_of(url)
    if not path.exists():
        raise ConfigError(f"{name} was installed from {path}, which is missing; name a folder or wheel with --install")
    return attrs.evolve(_of_path(str(path), path, extras), text=text)


def origin(distribution: Any) -> str:
    """The URL that a distribution was installed from, with its commit; "" for an index."""
    text = distribution.read_text("direct_url.json")
    if not text:
        return ""
    direct = json.loads(text)
    url, vcs = str(direct.get("url", "")), direct.get("vcs_info")
    within = f"#subdirectory={direct['subdirectory']}" if direct.get("subdirectory") else ""
    return f"{vcs['vcs']}+{url}@{vcs['commit_id']}{within}" if vcs else f"{url}{within}"


def of_distribution(distribution: Any) -> Metadata:
    """The METADATA of an installed distribution."""
    return _of_message(distribution.metadata, str(distribution.version))


def _local(text: str, folder: Path) -> tuple[Path, frozenset[str]] | None:
    """The path and extras of a local requirement, by pip's rules: a file: URL, or a path that exists."""
    if text.startswith("file:"):
        return _path_of(text), frozenset()
    matched = _EXTRAS.fullmatch(text)
    if matched is None:
        return None
    path = folder / os.path.expanduser(matched["path"])
    looks_like_one = "/" in matched["path"] or matched["path"].startswith(".") or path.is_file()
    if not looks_like_one or not path.exists():
        return None
    extras = (matched["extras"] or "").split(",")
    return path.resolve(), frozenset(extra.strip() for extra in extras if extra.strip())


def _path_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _of_path(text: str, path: Path, extras: frozenset[str]) -> Wanted:
    name, metadata = _of_folder(path) if path.is_dir() else _of_archive(path)
    return Wanted(text, str(canonicalize_name(name)), extras, path, "", "", metadata)


def _of_folder(path: Path) -> tuple[str, Metadata]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        project = tomllib.loads((path / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return str(project["name"]), _of_project(project)
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(
            f"{path} has no pyproject.toml with a [project] name; build a wheel of it and give that to --install"
        ) from None


def _of_project(project: Mapping[str, Any]) -> Metadata:
    """The metadata of the table ``[project]``; requirements of extras get the marker that METADATA has."""
    requires = [str(line) for line in project.get("dependencies", ())]
    for extra, lines in project.get("optional-dependencies", {}).items():
        requires += [_with_extra(str(line), extra) for line in lines]
    license = project.get("license", "")
    return Metadata(
        version=str(project.get("version", "")),
        summary=str(project.get("description", "")),
        license=license if isinstance(license, str) else str(license.get("text", "")),
        source=_source(project.get("urls", {}).items()),
        requires=tuple(requires),
        dynamic_version="version" in project.get("dynamic", ()),
    )


def _with_extra(line: str, extra: str) -> str:
    requirement, _, marker = line.partition(";")
    mine = f"extra == '{canonicalize_name(extra)}'"
    return f"{requirement.strip()} ; {f'({marker.strip()}) and {mine}' if marker else mine}"


def _of_archive(path: Path) -> tuple[str, Metadata]:
    """Name and metadata of a wheel; of a source archive only name and version, from its file name."""
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                (name,) = (each for each in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
                message = Parser().parsestr(wheel.read(name).decode())
            return str(message["Name"]), _of_message(message, str(message["Version"]))
        name, version = re.fullmatch(r"(.+)-([^-]+)\.(?:tar\.\w+|zip)", path.name).groups()  # type: ignore[union-attr]
        return name, Metadata(version=version)
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile):
        raise ConfigError(f"{path} is not a wheel or source archive; give --install one of them or a folder") from None


def _of_message(message: Any, version: str) -> Metadata:
    urls = (line.partition(",")[::2] for line in message.get_all("Project-URL") or ())
    home = [("homepage", message.get("Home-page") or "")]
    return Metadata(
        version=version,
        summary=str(message.get("Summary") or ""),
        license=str(message.get("License-Expression") or message.get("License") or ""),
        source=_source([*urls, *home]),
        requires=tuple(message.get_all("Requires-Dist") or ()),
    )


def _source(urls: Any) -> str:
    """The project's source URL, else its home page, else ""."""
    known = {str(label).strip().lower(): str(url).strip() for label, url in urls}
    return next((known[label] for label in _SOURCES if label in known), "")


def required_by(metadata: Metadata, extras: frozenset[str]) -> Iterator[Requirement]:
    """The requirements of a distribution with these extras on this interpreter."""
    for line in metadata.requires:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield requirement
