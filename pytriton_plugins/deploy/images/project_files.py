"""The files of a local project that an image needs: code, and the files that the build of its wheel reads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_BUILD_FILES = re.compile(
    r"(?i)pyproject\.toml|setup\.(py|cfg)|manifest\.in|(hatch|cargo)\.toml|cargo\.lock|cmakelists\.txt"
    r"|meson\.build|meson[._]options(\.txt)?|(readme|licen[cs]e|copying|notice|authors|version)([\W_].*)?"
)
"""Files beside pyproject.toml that build backends read by default."""

_BUILD_TEXTS = ("setup.py", "setup.cfg", "MANIFEST.in", "Cargo.toml", "CMakeLists.txt", "meson.build")
"""A file or folder beside these is included if its name is a word in one of them."""

_NOT_PACKAGED = re.compile(
    r"(?i)\..*|((unit|integration)_?)?tests?|test_.*|conftest|docs?|documentation|manpages|examples?|exercises?"
    r"|benchmarks?|changelog|news|newsfragments|build|dist|bin|ci|debian|deploy|docker|htmlcov|notebooks?|scripts?|tools?"
    r"|tasks?|fabfile|dodo|pavement|manage|noxfile|toxfile|conanfile"
)
"""Names beside pyproject.toml that by convention are not part of a wheel; setuptools has a similar list."""

_NOT_SOURCE = re.compile(
    r"\.(git|hg|svn|env|venv|tox|nox|eggs)|__pycache__|node_modules|.*\.(pyc|pyo|egg-info)|\..*_cache"
)
"""Names that are not source at any depth."""

_TABLES = {
    "flit_core": ("flit",),
    "hatchling": ("hatch",),
    "maturin": ("maturin",),
    "mesonpy": ("meson-python",),
    "pdm": ("pdm",),
    "poetry": ("poetry",),
    "scikit_build_core": ("scikit-build",),
    "setuptools": ("setuptools",),
    "uv_build": ("uv", "build-backend"),
}
"""The table below ``tool`` of each build backend, by its top package."""

_NOT_OF_THE_WHEEL = {"dependencies", "dev-dependencies", "envs", "exclude", "exclude-package-data", "group", "scripts"}
_NOT_OF_THE_WHEEL |= {"sdist", "source-exclude", "source-include", "source-excludes", "source-includes"}
"""Keys of these tables that do not name the content of a wheel."""


def project_files(folder: Path, output: Path) -> Iterator[Path]:
    """The files that a project's wheel is built from, relative to ``folder``; none below ``output``.

    They are packages and modules beside pyproject.toml, files that build backends read, and files that the build's
    configuration names. A folder is included as a whole, except caches, virtual environments and what git ignores.
    """
    ignored = {output, *_ignored_by_git(folder)}
    found = {file for top in _tops(folder, ignored) for file in _below(top, ignored)}
    yield from sorted(file.relative_to(folder) for file in found)


def _tops(folder: Path, ignored: set[Path]) -> Iterator[Path]:
    """The included entries beside pyproject.toml, and those further inside that it names."""
    project = _project(folder)
    own = str(project.get("project", {}).get("name", "")).replace("-", "_").replace(".", "_").lower()
    text = "\n".join(_read(folder / name) for name in _BUILD_TEXTS)
    yield from _named(folder, project)
    for path in folder.iterdir():
        if _BUILD_FILES.fullmatch(path.name) and path.is_file():
            yield path
        elif path.stem.lower() != own and _NOT_PACKAGED.fullmatch(path.stem):
            continue
        elif path.name == "src" or _has_code(path, ignored) or _is_word(path.name, text):
            yield path


def _is_word(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None


def _has_code(path: Path, ignored: set[Path]) -> bool:
    """Whether ``path`` is a module, or a folder with a module outside of nested projects."""
    if path.is_file():
        return path.suffix == ".py"
    return any(file.suffix == ".py" for file in _below(path, ignored, other_projects=False))


def _project(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read(folder / "pyproject.toml"))
    except ValueError:
        return {}


def _named(folder: Path, document: Mapping[str, Any]) -> Iterator[Path]:
    """The files and folders that pyproject.toml names for the build."""
    project, system = document.get("project", {}), document.get("build-system", {})
    table: Any = document.get("tool", {})
    for key in _TABLES.get(str(system.get("build-backend", "setuptools")).partition(".")[0], ("",)):
        table = table.get(key, {})
    about = [project.get(key) for key in ("readme", "license", "license-files")]
    for text in _texts([table, system.get("backend-path"), *about]):
        # A pattern stands for the folder before its first special character.
        place = text.strip("/")
        literal = re.split(r"[*?\[{]", place)[0]
        path = folder / (place if literal == place else literal.rpartition("/")[0])
        # A text may not be a path at all: os.path.exists is false for one that is too long or has odd characters.
        if path != folder and os.path.exists(path) and path.resolve().is_relative_to(folder.resolve()):
            yield path


def _texts(value: Any) -> Iterator[str]:
    """Every text of a configuration, keys included, for some backends map one path to another."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _NOT_OF_THE_WHEEL:
                yield from (str(key), *_texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _below(path: Path, ignored: set[Path], other_projects: bool = True) -> Iterator[Path]:
    """The file itself, or all sources in a folder; a link to a folder counts as a file."""
    if _is_left_out(path, ignored) or (_is_project(path) and not other_projects):
        return
    if not path.is_dir() or path.is_symlink():
        yield path
        return
    for inner in path.iterdir():
        yield from _below(inner, ignored, other_projects)


def _is_project(path: Path) -> bool:
    return any((path / name).exists() for name in ("pyproject.toml", "setup.py"))


def _is_left_out(path: Path, ignored: set[Path]) -> bool:
    return path in ignored or _NOT_SOURCE.fullmatch(path.name) is not None or (path / "pyvenv.cfg").exists()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _ignored_by_git(folder: Path) -> set[Path]:
    """The paths that git ignores in ``folder``; empty without git or a checkout."""
    command = ["git", "-C", str(folder), "ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return set()
    names = os.fsdecode(done.stdout).split("\0") if done.returncode == 0 else []
    return {folder / name.rstrip("/") for name in names if name}
