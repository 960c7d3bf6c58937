"""Requirements of every kind that pip accepts."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pytriton_plugins.deploy.images.pins import pinned
from pytriton_plugins.deploy.images.requirements import Metadata, providers_of, read_implied, read_requirement
from pytriton_plugins.errors import ConfigError
from tests.support.sandbox.fake_distributions import install

Installed = Callable[..., None]
PROJECT = """
[project]
name = "Acme_Add"
version = "1.2"
description = "Adds"
license = "MIT"
dependencies = ["acme-base", "acme-old; python_version < '3'"]
urls = {Homepage = "https://example.com", "Source Code" = "https://example.com/acme"}
[project.optional-dependencies]
gpu = ["acme-cuda>=1; sys_platform == 'linux'"]
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Installs a distribution, as pip does, with lines of METADATA and the content of direct_url.json."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def add(
        name: str,
        *metadata: str,
        version: str = "1.0",
        origin: object = None,
        entry_points: dict[str, dict[str, str]] | None = None,
    ) -> None:
        install(site, name, entry_points or {}, version=version)
        (info,) = site.glob(f"{name.replace('-', '_')}-*.dist-info")
        with (info / "METADATA").open("a") as file:
            file.write("".join(f"{line}\n" for line in metadata))
        if origin:
            (info / "direct_url.json").write_text(json.dumps(origin))

    return add


def project(folder: Path, text: str = PROJECT) -> Path:
    folder.mkdir()
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_a_folder(tmp_path: Path) -> None:
    """The name is the project's, not the folder's."""
    wanted = read_requirement(f"{project(tmp_path / 'add.er')}[gpu]", tmp_path)
    assert (wanted.name, wanted.extras, wanted.path) == ("acme-add", frozenset({"gpu"}), tmp_path / "add.er")
    assert wanted.line("plugins") == "./plugins/acme-add[gpu]"
    assert wanted.metadata == Metadata(
        "1.2",
        "Adds",
        "MIT",
        "https://example.com/acme",
        ("acme-base", "acme-old; python_version < '3'", "acme-cuda>=1 ; (sys_platform == 'linux') and extra == 'gpu'"),
    )
    for text in ("./add.er", f"file://{tmp_path}/add.er"):
        assert read_requirement(text, tmp_path).path == tmp_path / "add.er"


def test_a_wheel_keeps_its_name(tmp_path: Path) -> None:
    wheel = tmp_path / "acme_add-1.2-py3-none-any.whl"
    lines = "Metadata-Version: 2.4\nName: Acme_Add\nVersion: 1.2\nLicense-Expression: MIT\nRequires-Dist: acme-base\n"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("acme_add-1.2.dist-info/METADATA", lines)
    wanted = read_requirement(f"{wheel.name}[gpu]", tmp_path)
    assert (wanted.name, wanted.line("plugins")) == ("acme-add", f"./plugins/{wheel.name}[gpu]")
    assert wanted.metadata == Metadata("1.2", license="MIT", requires=("acme-base",))


def test_from_an_index_or_a_url(tmp_path: Path) -> None:
    assert read_requirement("Acme.Add[gpu]>=1", tmp_path).line("plugins") == "Acme.Add[gpu]>=1"
    text = "acme-add @ https://example.com/acme_add-1.2-py3-none-any.whl"
    assert read_requirement(text, tmp_path).url == "https://example.com/acme_add-1.2-py3-none-any.whl"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com/Acme_Add-1.2-py3-none-any.whl", "acme-add"),
        ("https://example.com/simple/acme.add-1.2.tar.gz#sha256=00", "acme-add"),
        ("git+https://example.com/acme.git@v1#egg=acme_add&subdirectory=add", "acme-add"),
    ],
)
def test_a_url_that_says_its_name(tmp_path: Path, url: str, name: str) -> None:
    wanted = read_requirement(url, tmp_path)
    assert (wanted.name, wanted.url) == (name, url)
    assert wanted.line("plugins").endswith(f" @ {url}")


@pytest.mark.parametrize("url", ["git+https://example.com/acme.git@v1", "https://example.com/archive/v1.zip"])
def test_a_url_without_a_name(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="the URL has no name of a distribution; write NAME @ ") as error:
        read_requirement(url, tmp_path)
    assert str(error.value).endswith(f"write NAME @ {url}")


def test_a_name_at_a_file_url_is_a_path(tmp_path: Path) -> None:
    """The image cannot read a path of this machine."""
    folder = project(tmp_path / "add")
    wanted = read_requirement(f"Acme.Add[gpu] @ file://{folder}", tmp_path)
    assert (wanted.name, wanted.extras, wanted.path) == ("acme-add", frozenset({"gpu"}), folder)
    assert wanted.line("plugins") == "./plugins/acme-add[gpu]"
    with pytest.raises(ConfigError, match=f"{folder} holds acme-add, not acme-sub; correct the name"):
        read_requirement(f"acme-sub @ file://{folder}", tmp_path)


@pytest.fixture
def plugins(installed: Installed, tmp_path: Path) -> None:
    """Two distributions with a plugin of one name, and one with a plugin of a distribution's name."""
    groups = {"acme-adder": "models", "acme-hooks": "hooks"}
    for name, group in groups.items():
        installed(name, entry_points={f"pytriton_plugins.{group}": {"acme_add": name.replace("-", "_")}})
    installed("acme-base", entry_points={"pytriton_plugins.models": {"numpy": "acme_base"}})


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("text", ["acme_add", "acme-add", "Acme.Add"])
def test_a_plugin_is_not_a_distribution(tmp_path: Path, text: str) -> None:
    """A package index may have another distribution of that name."""
    with pytest.raises(ConfigError) as error:
        read_requirement(f"{text}[gpu]>=1", tmp_path)
    assert str(error.value) == (
        f"--install {text}[gpu]>=1: {text} is a plugin, not a distribution; "
        "write acme-adder[gpu]>=1 or acme-hooks[gpu]>=1"
    )
    project(tmp_path / text)
    with pytest.raises(ConfigError, match=f"or acme-hooks or ./{text} for the folder$"):
        read_requirement(text, tmp_path)
    url = f"{text} @ https://example.com/a.whl"
    assert read_requirement(url, tmp_path).url == "https://example.com/a.whl"
    assert read_requirement(f"./{text}", tmp_path).path == tmp_path / text


@pytest.mark.usefixtures("plugins")
def test_a_plugin_with_a_distributions_name(tmp_path: Path) -> None:
    """The installed distribution of that name is used; the command names the plugin's distribution."""
    assert read_requirement("numpy", tmp_path).name == "numpy"
    assert providers_of("numpy") == ["acme-base"]


@pytest.mark.parametrize("text", ["", "./nowhere", "-e .", "acme add", "-r requirements.txt", "acme-add>=x"])
def test_an_invalid_requirement_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="not a requirement, and not a path that exists"):
        read_requirement(text, tmp_path)


def test_a_path_that_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "acme-1.whl").touch()
    with pytest.raises(ConfigError, match=r"bare has no pyproject.toml with a \[project\] name; build a wheel"):
        read_requirement("./bare", tmp_path)
    for name in ("notes.txt", "acme-1.whl"):
        with pytest.raises(ConfigError, match=f"{name} is not a wheel or source archive"):
            read_requirement(f"./{name}", tmp_path)


def test_a_requirement_that_is_not_named_comes_from_its_origin(tmp_path: Path, installed: Installed) -> None:
    folder = project(tmp_path / "add", PROJECT.replace("Acme_Add", "acme-folder"))
    commit = {"vcs": "git", "commit_id": "abc"}
    installed("acme-index")
    installed("acme-folder", origin={"url": f"file://{folder}", "dir_info": {"editable": True}})
    installed("acme-gone", origin={"url": "file:///nowhere/acme", "dir_info": {}})
    git = {"url": "https://example.com/acme.git", "vcs_info": commit, "subdirectory": "add"}
    installed("acme-git", origin=git)
    assert read_implied("acme-index").line("framework") == "acme-index"
    assert read_implied("acme-folder", frozenset({"gpu"})).line("framework") == "./framework/acme-folder[gpu]"
    assert (
        read_implied("acme-git").line("framework") == "acme-git @ git+https://example.com/acme.git@abc#subdirectory=add"
    )
    assert read_implied("acme-none").line("framework") == "acme-none"
    with pytest.raises(ConfigError, match="acme-gone was installed from /nowhere/acme, which is missing; name"):
        read_implied("acme-gone")


def test_versions_are_those_installed_here(tmp_path: Path, installed: Installed) -> None:
    installed("acme-base", "Requires-Dist: Acme.Deep[fast]", "Requires-Dist: acme-win; sys_platform == 'win32'")
    installed("acme-deep", "Requires-Dist: acme-fast; extra == 'fast'", "Requires-Dist: acme-base", version="2.0")
    installed("acme-fast", "Requires-Dist: acme-missing", version="0.1+cpu")
    installed("acme-cuda", version="3.0")
    installed("acme-other")
    pins = pinned([read_requirement(f"{project(tmp_path / 'add')}[gpu]", tmp_path)])
    assert pins.text() == "acme-base==1.0\nacme-cuda==3.0\nacme-deep==2.0\nacme-fast==0.1+cpu\n"
    assert pins.warnings == ("acme-missing is not installed here: the image gets the version that pip finds",)


def test_a_requirement_without_a_fixed_version_is_reported(tmp_path: Path, installed: Installed) -> None:
    installed("acme-new")
    installed("acme-url")
    installed("acme-here", origin={"url": "file:///src/acme", "dir_info": {}})
    texts = ["acme-new>=2", "acme-url @ https://example.com/a.whl", "acme-here"]
    pins = pinned([read_requirement(text, tmp_path) for text in texts])
    assert pins.versions == {"acme-here": "1.0"}
    assert pins.warnings == (
        "acme-here 1.0 was installed from file:///src/acme: the image gets it from an index, "
        "unless --install names that URL",
        "acme-new 1.0 is installed here, not acme-new>=2: the image gets the version that pip finds",
    )
