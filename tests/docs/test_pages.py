"""The pages against the code: every setting, command, hook, dependency, link and file."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from pytriton_plugins.cli.commands import COMMANDS
from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.loading import OTHER_VARIABLES, load_config
from pytriton_plugins.config.setting import Setting
from pytriton_plugins.config.settings import SETTINGS
from pytriton_plugins.deploy.images.containerfile import TRITON_TAG, Image, containerfile, read_server
from pytriton_plugins.deploy.images.requirements import Wanted
from pytriton_plugins.hooks import specs
from pytriton_plugins.values import ShmPolicy
from tests.support.docs.blocks import DOCS, PAGES, ROOT, blocks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

READING_PATHS = ("explanation/start.md", "explanation/request-path.md", "explanation/calls.md")
"""The pages that name the files to read, in order."""

MAX_FILES = 20
"""Files that a reader opens before a path is understood; more would be a list, not a path."""

MAX_OPENED = 8
"""Files that a contributor opens for an option that a worker needs, or for a hook, with CONTRIBUTING.md."""

MAX_LINE = 160
"""Characters of a line of prose, so that a change can be reviewed."""

PACKAGE = ROOT / "pytriton_plugins"

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([\w./-]+/[\w.-]+\.(?:py|c|h|md|toml))`")
_NAMES = re.compile(r"`(\w*_\w*|[A-Z]\w+)`")
"""Names of functions, classes and constants; other words in code marks are not among them."""

_OTHER_REPOSITORY = "src/"


def page(name: str) -> str:
    """The text of a page of docs/, by its path there."""
    return (DOCS / name).read_text()


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def row_of(text: str, first: str) -> list[str]:
    """The cells of the table row whose first cell begins with ``first``."""
    found = [line for line in text.splitlines() if line.startswith(f"| {first}")]
    assert len(found) == 1, f"{len(found)} rows begin with {first}"
    return [cell.strip() for cell in found[0].strip("|").split(" | ")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(_CODE.sub("", path.read_text())):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{path.name} links to {link}"
        if anchor:
            assert anchor in anchors(file.read_text()), f"{path.name} links to {link}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_first_screen_has_code(path: Path) -> None:
    assert "\n```" in "\n".join(path.read_text().splitlines()[:12])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_named_files_exist(path: Path) -> None:
    for name in _FILE.findall(path.read_text()):
        if not name.startswith(_OTHER_REPOSITORY):
            assert (ROOT / name).is_file(), f"{path.name} names {name}"


@pytest.mark.parametrize("name", READING_PATHS)
def test_a_reading_path_has_at_most_twenty_files(name: str) -> None:
    """They stand in one table, in reading order; that each exists is held by `test_named_files_exist`."""
    rows = re.findall(r"^\| (\d+) \| `([^`]+)` \| .+ \|$", page(name), re.MULTILINE)
    steps, files = [int(step) for step, _ in rows], [file for _, file in rows]
    assert 10 <= len(files) <= MAX_FILES
    assert steps == sorted(steps)
    assert set(_FILE.findall(page(name))) <= {*files, "benchmarks/README.md"}


def steps_of(section: str) -> str:
    """The numbered steps of a section of CONTRIBUTING.md."""
    return (ROOT / "CONTRIBUTING.md").read_text().partition(f"\n## {section}\n")[2].partition("\nThen run")[0]


@pytest.mark.parametrize("section", ["Add an option", "Add a hook"])
def test_a_common_change_needs_at_most_eight_files(section: str) -> None:
    """CONTRIBUTING.md and one for each numbered step; a new file and a generated page are written, not read."""
    steps = steps_of(section)
    named, made = set(_FILE.findall(steps)), set(re.findall(r"^\d\. `([^`]+)`, a new file", steps, re.MULTILINE))
    assert 5 <= len(re.findall(r"^\d\. ", steps, re.MULTILINE)) <= MAX_OPENED - 1
    assert [file for file in named - made if "NUMBER" not in file and not (ROOT / file).is_file()] == []


def test_the_steps_of_an_option_name_what_their_files_have() -> None:
    """Each name in a step, except those of the example, is in the file that the step begins with."""
    steps = re.findall(r"^\d\. `([^`]+)`(?!, a new file)(.+?)(?=^\d\. |\Z)", steps_of("Add an option"), re.M | re.S)
    names = [(file, name) for file, step in steps for name in _NAMES.findall(step) if "gc_" not in name.lower()]
    assert {"DaemonSettings", "GROUPS", "EffectiveModel", "_set_up", "callable_"} <= {name for _, name in names}
    assert [(file, name) for file, name in names if name not in (ROOT / file).read_text()] == []


def package_rows() -> dict[str, str]:
    """The cells of the packages in the architecture's table, by package ("" for the modules of the root)."""
    table = page("explanation/architecture.md").partition("## Packages")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \| (.+) \| .+ \|$", table, re.MULTILINE)
    return {"" if ".py" in names else names.strip("`/"): f"{names} {content}" for names, content in rows}


def test_the_architecture_names_every_package() -> None:
    packages = {path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("__init__.py")}
    assert {name or "." for name in package_rows()} == packages


def test_the_architecture_names_the_modules_of_the_root() -> None:
    modules = {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}
    assert set(re.findall(r"`(\w+\.py)`", package_rows()[""])) == modules


@pytest.mark.parametrize("package", [name for name in package_rows() if name])
def test_the_architecture_names_modules_that_exist(package: str) -> None:
    modules = {path.stem for path in (PACKAGE / package).glob("*.py")}
    _, content = package_rows()[package].split(" ", 1)
    assert set(re.findall(r"`([a-z_]+)`", content)) <= modules


def test_pages_have_different_names() -> None:
    """A page is known by its name in the tests of its blocks."""
    stems = [path.stem for path in PAGES]
    assert len(set(stems)) == len(stems)


@pytest.mark.parametrize("path", [path for path in PAGES if path.name != "README.md"], ids=lambda path: path.name)
def test_lines_of_prose_are_short(path: Path) -> None:
    prose = re.sub(r"^ *```.*?^ *```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in prose.splitlines() if len(line) > MAX_LINE and not line.startswith(("|", "!["))] == []


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_each_setting_stands_in_the_table_with_its_default(setting: Setting) -> None:
    _, variable, key, default, help = row_of(
        page("reference/settings.md"), f"`--{setting.option}{f' {setting.metavar}' if setting.metavar else ''}`"
    )
    assert (variable, key, help) == (f"`{setting.variable}`", f"`{setting.key}`", setting.help)
    built_in = attrs.fields_dict(HostConfig)[setting.name].default
    if default == "none":
        assert built_in in (None, ())
    elif setting.flag:
        assert built_in is setting.on
    else:
        assert setting.parse(default.strip("`")) == built_in


def test_every_command_and_option_stands_in_the_configuration() -> None:
    """The options of `serve`, which other commands take too, are on the page of the settings."""
    text = page("reference/configuration.md") + page("reference/settings.md")
    for name, module in COMMANDS.items():
        assert f"`pytriton-host {name}" in text
        command = importlib.import_module(module).command
        for parameter in command.params:
            shown = parameter.param_type_name == "option" and not parameter.hidden
            for option in parameter.opts if shown else ():
                assert re.search(rf"`{option}\b", text) or f"[{option}]" in text, f"{name} {option}"
    for variable in OTHER_VARIABLES:
        assert f"`{variable}`" in text


def hooks() -> list[tuple[str, Any]]:
    return [item for item in vars(specs).items() if item[0].startswith("pytriton_") and inspect.isfunction(item[1])]


def reference() -> str:
    """The pages that are written from the code (test_reference.py)."""
    return "\n".join(path.read_text() for path in sorted((DOCS / "reference").glob("hooks-*.md")))


@pytest.mark.parametrize(("name", "spec"), hooks())
def test_each_hook_has_a_section_with_its_arguments(name: str, spec: Any) -> None:
    assert f"\n## `{name}({', '.join(inspect.signature(spec).parameters)})`\n" in reference()


def test_no_hook_is_described_that_does_not_exist() -> None:
    described = re.findall(r"^## `(pytriton_\w+)", reference(), re.MULTILINE)
    assert sorted(described) == sorted(name for name, _ in hooks())


def test_every_page_of_the_reference_is_linked() -> None:
    text = page("reference/hooks.md") + page("reference/configuration.md")
    for path in (DOCS / "reference").glob("*.md"):
        if path not in PAGES:
            assert f"({path.name})" in text


def test_the_shm_policy_is_described_with_its_fields() -> None:
    for field in attrs.fields(ShmPolicy):
        assert f"`{field.name}`" in page("reference/hooks.md")


def test_each_dependency_has_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = [re.split(r"[><=;]", line)[0] for line in project["project"]["dependencies"]]
    for name in [*needed, *(re.split(r"[><=;]", line)[0] for line in project["build-system"]["requires"]), "ziglang"]:
        assert len(row_of(page("explanation/dependencies.md"), f"`{name}`")) >= 2
    run_time = page("explanation/dependencies.md").partition("## To build")[0]
    assert re.findall(r"^\| `([^`]+)`", run_time, re.MULTILINE) == sorted(needed, key=run_time.index)


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_toml_blocks_are_valid(block: Any, tmp_path: Path) -> None:
    document = tomllib.loads(block.text)
    if block.name == "pytriton-host.toml":
        (tmp_path / block.name).write_text(block.text)
        config = load_config((), {}, {}, tmp_path)
        assert config.fixed or config.tables.plugins or config.tables.models
    else:
        groups = {f"pytriton_plugins.{kind}" for kind in ("models", "hooks", "repositories")}
        assert groups & set(document["project"]["entry-points"])


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_blocks_are_indented_by_two(block: Any) -> None:
    depth = 0
    for line in block.text.splitlines():
        indent = len(line) - len(line.lstrip(" "))
        assert "\t" not in line
        assert indent % 2 == 0
        assert indent <= depth + 4
        assert line.count("{") == line.count("}")
        depth = indent


def test_every_start_up_probe_asks_for_ready() -> None:
    """On the pages as in the manifests: a restart is the only other try of a plugin that failed at the start."""
    probes = [block.text.partition("startupProbe:")[2] for block in blocks("yaml") if "startupProbe:" in block.text]
    probes += [path.read_text().partition("startupProbe:")[2] for path in DOCS.glob("deploying/*/*.yaml")]
    asked = [re.findall(r"health, (\w+)\]|path: /v2/health/(\w+)", probe)[0] for probe in probes if probe]
    assert len(asked) == 3
    assert {"".join(each) for each in asked} == {"ready"}


def test_the_containerfile_ends_as_the_command_writes_it() -> None:
    (block,) = blocks("dockerfile")
    text = containerfile(Image(read_server("triton", None), (), (Wanted("acme-add", "acme-add"),)))
    assert text.endswith(f"\n{block.text}")
    assert f"by default {TRITON_TAG}." in page("how-to/deploy-in-clusters.md")


def test_every_block_says_what_it_is() -> None:
    known = {"python", "toml", "console", "yaml", "dockerfile", "text", "json", "haproxy", "ini", "protobuf"}
    every = blocks(*known, "", "sh", "bash")
    assert {block.language for block in every} <= known
    fences = sum(len(re.findall(r"^ *```", path.read_text(), re.MULTILINE)) for path in PAGES)
    assert fences == 2 * len(every)
