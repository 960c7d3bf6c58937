"""The files of a local project from which an image is built, for the usual project layouts."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
from pathlib import Path

import pytest

from pytriton_plugins.deploy.images.context import write_context
from pytriton_plugins.deploy.images.project_files import project_files
from tests.support.docs.examples import install

ROOT = Path(__file__).parents[3]


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder: Path, output: Path | None = None) -> set[str]:
    return {str(path) for path in project_files(folder, output or folder / "image")}


def test_code_and_what_the_build_reads(tmp_path: Path) -> None:
    """Other files of a checkout are not copied."""
    kept = {"acme/__init__.py", "acme/build/model.py", "acme/tests/data.json", "acme/.hidden", "acme/kv_cache/x.py"}
    kept |= {"pyproject.toml", "README.md", "LICENSE-MIT", "Version", "single.py", "setup.py"}
    built = ["acme/__pycache__/x.pyc", "acme/y.pyc", "build/lib/x.py", "dist/x.whl", "acme.egg-info/PKG-INFO"]
    environments = ["my-env/pyvenv.cfg", "my-env/lib/x.py", ".venv/x.py", "node_modules/x.py", ".mypy_cache/x.py"]
    private = [
        ".env",
        "acme/.env",
        ".git/HEAD",
        ".netrc",
        "id_rsa",
        "secrets.json",
        "key.pem",
        "dump.sql",
        "weights.bin",
    ]
    others = ["tests/test_x.py", "docs/conf.py", "benchmarks/run.py", "examples/x.py", "conftest.py", "noxfile.py"]
    others += ["plugins/other/pyproject.toml", "plugins/other/other/__init__.py", "old/setup.py", "data/x.json"]
    others += ["image/Containerfile", "image/plugins/acme/acme/__init__.py", ".github/x.py", "changelog.d/x.md"]
    fill(tmp_path, *kept, *built, *environments, *private, *others)
    assert found(tmp_path) == kept


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_files_that_git_ignores_are_left_out(tmp_path: Path) -> None:
    """Files that are not committed yet are copied."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    fill(tmp_path, "plugin/pyproject.toml", "plugin/acme/new.py", "plugin/acme/weights.bin", "plugin/acme/made/server")
    (tmp_path / ".gitignore").write_text("*.bin\n/plugin/acme/made/\n")
    assert found(tmp_path / "plugin") == {"pyproject.toml", "acme/new.py"}


SETUPTOOLS = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "acme"
readme = "docs/about.md"
license = {file = "legal/terms"}
dynamic = ["version"]
[tool.setuptools]
packages.find = {where = ["lib"], exclude = ["notes"]}
[tool.setuptools.dynamic]
version = {file = "number"}
[tool.pytest.ini_options]
testpaths = ["checks"]
"""
HATCHLING = """
[build-system]
build-backend = "hatchling.build"
[project]
name = "Acme.Tools"
license-files = ["legal/*"]
[tool.hatch.version]
path = "about/version.txt"
[tool.hatch.build.targets.wheel.force-include]
"weights/a.bin" = "acme/a.bin"
"nul\\u0000" = "LONG"
"../elsewhere" = "acme/elsewhere"
[tool.hatch.build.targets.sdist]
include = ["/notes"]
[tool.hatch.envs.test]
scripts.all = "checks"
"""


@pytest.mark.parametrize(
    ("text", "kept", "left"),
    [
        (
            SETUPTOOLS,
            {"docs/about.md", "legal/terms", "lib/acme.txt", "number"},
            ["docs/other.md", "legal/x", "checks/a.json", "notes/a.json"],
        ),
        (
            HATCHLING,
            {"legal/a", "legal/b", "about/version.txt", "weights/a.bin"},
            ["weights/b.bin", "notes/a", "checks/a", "../elsewhere"],
        ),
        # A folder of the project's name is its package, whatever it is called.
        ('[project]\nname = "docs"\n', {"docs/__init__.py"}, ["tests/__init__.py"]),
        # Without __init__.py, and below src.
        ('[project]\nname = "acme"\n', {"acme/add/model.py", "src/data"}, ["other/data"]),
    ],
    ids=["setuptools", "hatchling", "name", "layouts"],
)
def test_files_that_pyproject_names_are_kept(tmp_path: Path, text: str, kept: set[str], left: list[str]) -> None:
    folder = tmp_path / "project"
    fill(folder, *kept, *left)
    (folder / "pyproject.toml").write_text(text.replace("LONG", 10_000 * "long"))
    assert found(folder) == kept | {"pyproject.toml"}


def test_files_that_a_build_file_names_are_kept(tmp_path: Path) -> None:
    """Only the whole name counts: `package_data` is not the folder `data`."""
    fill(tmp_path, "csrc/x.c", "include/x.h", "data/x", "requirements.txt", "notes.txt", "pyproject.toml")
    (tmp_path / "setup.py").write_text('Extension("x", ["csrc/x.c"]); open("requirements.txt"); package_data={}\n')
    (tmp_path / "MANIFEST.in").write_text("graft include\n")
    assert found(tmp_path) == {
        *("csrc/x.c", "include/x.h", "requirements.txt", "pyproject.toml", "setup.py", "MANIFEST.in"),
    }


_NEEDS_COMPILER = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.mark.parametrize(
    "folder", [pytest.param(".", marks=_NEEDS_COMPILER, id="framework"), "examples/add-sub", "plugins/kubernetes"]
)
def test_the_wheel_of_the_copy_is_the_whole_wheel(folder: str, tmp_path: Path) -> None:
    """The wheel has the same files as the one that pip built from the checkout."""
    source = (ROOT / folder).resolve()
    write_context(tmp_path / "context", {}, {"copy": source}, force=False)
    tops = {path.name for path in (tmp_path / "context/copy").iterdir()}
    assert tops <= {"LICENSE", "README.md", "hatch_build.py", "pyproject.toml", f"pytriton_plugins{_suffix(folder)}"}
    install(tmp_path / "context/copy", tmp_path / "site")
    files = {str(path.relative_to(tmp_path / "site")) for path in (tmp_path / "site").rglob("*") if path.is_file()}
    installed = importlib.metadata.files(f"pytriton-plugins{_suffix(folder).replace('_', '-')}") or ()
    assert {name for name in files if not name.endswith(".whl")} == {str(path) for path in installed if _packed(path)}


def _suffix(folder: str) -> str:
    return "" if folder == "." else f"_{Path(folder).name.replace('-', '_')}"


def _packed(path: importlib.metadata.PackagePath) -> bool:
    """Whether the file comes from the wheel, not from pip."""
    return (
        path.suffix != ".pyc"
        and path.parts[0] != ".."
        and path.name not in ("INSTALLER", "REQUESTED", "direct_url.json")
    )
