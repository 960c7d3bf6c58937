"""`pytriton-host image`: the files that it writes, and its messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Called
from tests.support.sandbox.fake_distributions import install

ROOT = Path(__file__).parents[3]
ADD_SUB = str(ROOT / "examples/add-sub")
PROJECT = '[project]\nname = "acme-add"\nversion = "1.2"\ndependencies = ["numpy", "acme-nowhere"]\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "add"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT)
    return folder


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("project")
def test_a_folder_with_the_configuration_of_serve(called: Called, tmp_path: Path) -> None:
    """One --install takes several requirements, as pip does."""
    (tmp_path / "pytriton-host.toml").write_text("http_port = 9000\nrun_dir = '/run/x'\n")
    ran = called("image", "--install", "./add", "numpy>=1", "--install", str(ROOT))
    assert ran.code == 0, ran.err
    image = tmp_path / "image"
    own = {name for name in files(image) if not name.startswith("framework/pytriton-plugins/")}
    assert own == {
        ".dockerignore",
        "Containerfile",
        "constraints.txt",
        "framework/constraints.txt",
        "framework/requirements.txt",
        "plugins/acme-add/pyproject.toml",
        "pytriton-host.toml",
        "requirements.txt",
    }
    assert (image / "requirements.txt").read_text() == "./plugins/acme-add\nnumpy>=1\n"
    assert (image / "framework/requirements.txt").read_text() == "./framework/pytriton-plugins\n"
    assert (image / ".dockerignore").read_text() == (
        "*\n!constraints.txt\n!framework\n!plugins\n!pytriton-host.toml\n!requirements.txt\n"
    )
    assert "\nnumpy==" in (image / "constraints.txt").read_text()
    text = (image / "Containerfile").read_text()
    assert "\nEXPOSE 9000 8001 8002\n" in text
    assert "\nCOPY pytriton-host.toml ./\n" in text
    assert ran.err.splitlines() == [
        "pytriton-host: warning: acme-nowhere is not installed here: the image gets the version that pip finds",
        f"pytriton-host: warning: {tmp_path}/pytriton-host.toml: run_dir is a path that the image may not have",
    ]
    assert ran.out.splitlines()[-2:] == [
        "Next: podman build --format docker -t acme-add image",
        "  or: docker build -f image/Containerfile -t acme-add image",
    ]
    assert "copied from" in ran.out


def test_the_bundle_comes_along(called: Called, tmp_path: Path) -> None:
    tritonserver = str(ROOT / "plugins/tritonserver")
    ran = called("image", "--install", ADD_SUB, tritonserver, str(ROOT), "--server", "bundle", "-o", "o", "--json")
    assert ran.code == 0, ran.err
    document = json.loads(ran.out)
    assert (document["schema"], document["server"], document["base"]) == (1, "bundle", "python:3.12-slim")
    assert document["name"] == "pytriton-plugins-add-sub"
    assert document["next"][0] == "podman build --format docker -t pytriton-plugins-add-sub o"
    assert document["warnings"][0].startswith("the bundled tritonserver has known security flaws")
    written = {item["path"]: item["bytes"] for item in document["files"]}
    assert written["Containerfile"] == (tmp_path / "o/Containerfile").stat().st_size
    assert (tmp_path / "o/requirements.txt").read_text() == "./plugins/pytriton-plugins-add-sub\n"
    framework = (tmp_path / "o/framework/requirements.txt").read_text()
    assert framework == "./framework/pytriton-plugins\n./framework/pytriton-plugins-tritonserver\n"


def test_the_framework_comes_from_where_it_was_installed(called: Called, tmp_path: Path) -> None:
    """This checkout is not on a package index."""
    assert called("image", "--install", "numpy").code == 0
    assert (tmp_path / "image/framework/requirements.txt").read_text() == "./framework/pytriton-plugins\n"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("table", ["", "[tool.pytriton-host]\nworkers = 2\n"])
def test_a_pyproject_goes_in_only_with_its_table(called: Called, tmp_path: Path, table: str) -> None:
    (tmp_path / "pyproject.toml").write_text(table)
    assert called("image", "--install", "./add").code == 0
    assert (tmp_path / "image/pyproject.toml").exists() == bool(table)


def test_a_plugin_with_the_name_of_an_installed_distribution(
    called: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    install(folder, "acme-arrays", {"pytriton_plugins.models": {"numpy": "acme_arrays"}}, acme_arrays="")
    ran = called("image", "--install", "numpy")
    assert ran.code == 0
    line = "--install numpy: installs the distribution of that name; the plugin numpy is in acme-arrays"
    assert f"pytriton-host: warning: {line}" in ran.err.splitlines()


@pytest.mark.usefixtures("project")
def test_force_replaces(called: Called, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("workers = 2\n")
    assert called("image", "--install", "./add").code == 0
    ran = called("image", "--install", "./add")
    assert ran.code == 2
    assert "image is not empty; choose another with --output, or replace its files with --force" in ran.err
    assert called("image", "--install", "./add", "--force", "-c", "other.toml").code == 0
    assert (tmp_path / "image/pytriton-host.toml").read_text() == "workers = 2\n"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the image has no plugin to serve; name one, such as --install acme-add"),
        (["--install", "pytriton-plugins"], "the image has no plugin to serve"),
        (["--install", "./add", "acme_add==1"], "acme-add is given twice, as ./add and acme_add==1; leave one out"),
        (["--install", "./nowhere"], "--install './nowhere': not a requirement, and not a path that exists"),
        (["--install", "add-sub"], "add-sub is a plugin, not a distribution; write pytriton-plugins-add-sub"),
        (["--install", "./add", "Add_Sub[x]>=1"], "write pytriton-plugins-add-sub[x]>=1"),
        (["--install", "./add", "--server", "x"], "--server: invalid server 'x'"),
        (["--install", "./add", "--base", "a b"], "--base: invalid image 'a b'"),
        (["--install", "./add", "-c", "nowhere.toml"], "nowhere.toml cannot be read"),
    ],
)
def test_mistakes_are_one_line(called: Called, tmp_path: Path, arguments: list[str], message: str) -> None:
    ran = called("image", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not (tmp_path / "image").exists()


def test_help_teaches(called: Called) -> None:
    text = " ".join(called("image", "--help").out.split())
    assert "podman build --format docker -t acme-add image" in text
    assert "--install ./acme-add --server bundle" in text
