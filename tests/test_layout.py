"""The package's layout stays within its limits; the measures themselves are checked on small trees."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.layout import MEASURES, PACKAGE, Measure
from tests.support.measure import layout_measures as measures
from tests.support.measure.module_sizes import long_modules
from tests.support.measure.source_tree import SourceTree

CHECKING = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "
STEPS = "def _import_in_worker(): ...\ndef enabled(): ...\ndef _log_notes(): ...\n"

Plant = Callable[[Mapping[str, str]], SourceTree]


@pytest.fixture(scope="module")
def package() -> SourceTree:
    return SourceTree(PACKAGE)


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Makes a package ``p`` of files with these contents."""

    def made(files: Mapping[str, str]) -> SourceTree:
        for name, content in {"__init__.py": "", **files}.items():
            file = tmp_path / "p" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return SourceTree(tmp_path / "p")

    return made


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.what)
def test_the_package_is_within_the_limit(package: SourceTree, measure: Measure) -> None:
    found = measure.look(package)
    assert found.figure <= measure.wanted, "\n".join(found.details)


def test_no_module_is_too_long() -> None:
    assert long_modules(PACKAGE.parent) == []


def test_a_long_module_is_found_in_any_folder_and_a_test_module_or_a_copy_is_not(tmp_path: Path) -> None:
    names = ("docs/generator/a.py", "plugins/p/a.py", "plugins/p/build/a.py", "tests/support/a.py", "tests/test_a.py")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("pass\n" * 301)
    (tmp_path / "docs/b.py").write_text("pass\n" * 300)
    found = ["plugins/p/a.py: 301", "docs/generator/a.py: 301", "tests/support/a.py: 301"]
    assert long_modules(tmp_path) == found


@pytest.mark.parametrize(
    "back", [f"{CHECKING}import p.a", "def f():\n    from p import a", "try:\n    import p.a\nfinally: ..."]
)
def test_a_circle_is_found_wherever_the_import_stands(plant: Plant, back: str) -> None:
    tree = plant({"a.py": "from p.b import B", "b.py": "import p.c", "c.py": back, "d.py": "import p.a"})
    assert measures.import_circles(tree) == (1, ["3: a b c"])


def test_a_chain_has_no_circle(plant: Plant) -> None:
    assert measures.import_circles(plant({"a.py": "import p.b", "b.py": "import p.c", "c.py": "import os"})) == (0, [])


def test_a_package_is_not_in_a_circle_with_modules_that_it_re_exports(plant: Plant) -> None:
    tree = plant({"q/__init__.py": "from p.q.a import A", "q/a.py": "from p.q import b", "q/b.py": ""})
    assert measures.import_circles(tree) == (0, [])


def test_a_name_of_a_package_is_its_inits(plant: Plant) -> None:
    tree = plant({"q/__init__.py": "from p.q.a import A", "q/a.py": "from p.q import A"})
    assert measures.import_circles(tree) == (1, ["2: q q.a"])


def test_the_depth_counts_the_modules_of_the_longest_chain(plant: Plant) -> None:
    tree = plant({"a.py": "import p.b\nimport p.c", "b.py": "from p import c", "c.py": "", "d.py": "import p.c"})
    assert measures.import_depth(tree) == (3, ["a", "b", "c"])


def test_the_depth_leaves_out_what_an_import_does_not_run(plant: Plant) -> None:
    tree = plant(
        {"a.py": f"{CHECKING}import p.b\nelse:\n    import p.c", "b.py": "def f():\n    import p.a", "c.py": ""}
    )
    assert measures.import_depth(tree) == (2, ["a", "c"])


def test_a_circle_is_one_step_of_the_depth(plant: Plant) -> None:
    tree = plant({"a.py": "import p.b", "b.py": "import p.c", "c.py": "import p.b\nimport p.d", "d.py": ""})
    assert measures.import_depth(tree) == (3, ["a", "b c", "d"])


@pytest.mark.parametrize(
    "kind", ["Callable[[], int]", "Callable[[], int] | None", "Optional[Callable]", "Told", "'Told'"]
)
def test_a_callback_of_a_constructor_is_counted(plant: Plant, kind: str) -> None:
    source = f"Told = Callable[[str], None]\nclass A:\n    def __init__(self, count: int, tell: {kind}): ..."
    assert measures.constructor_callbacks(plant({"a.py": source})) == (1, ["a.A: tell"])


@pytest.mark.parametrize("head", ["@attrs.frozen\nclass A:", "@attrs.define()\nclass A:", "class A(NamedTuple):"])
def test_a_callback_in_a_field_is_counted(plant: Plant, head: str) -> None:
    source = f"from p.b import Told\n{head}\n    count: int\n    tell: Told\n    own: Told = attrs.field(init=False)"
    tree = plant({"a.py": source, "b.py": "Told = Callable[[str], None]"})
    assert measures.constructor_callbacks(tree) == (1, ["a.A: tell"])


def test_a_protocol_and_a_method_take_no_callback_of_a_constructor(plant: Plant) -> None:
    source = (
        "class A:\n    key: Callable\n    def __init__(self, owner: Owner): ...\n    def run(self, f: Callable): ..."
    )
    assert measures.constructor_callbacks(plant({"a.py": source})) == (0, [])


def test_a_module_with_two_steps_of_an_import_is_a_place_of_it(plant: Plant) -> None:
    two = "def f():\n    tree._import_in_worker()\ndef g():\n    enabled()"
    tree = plant(
        {"steps.py": STEPS, "two.py": two, "one.py": "def f():\n    _import_in_worker()\n    _import_in_worker()"}
    )
    assert measures.import_procedures(tree) == (1, ["two: f calls _import_in_worker, g calls enabled"])


def test_a_module_that_words_a_conflict_is_a_place_that_finds_it(plant: Plant) -> None:
    defined = "".join(f"def {name}(): ...\n" for name in measures.CONFLICT_STEPS)
    tree = plant({"a.py": defined, "b.py": "def f():\n    a._explanation()", "c.py": "def f():\n    model_conflicts()"})
    assert measures.conflict_searches(tree) == (1, ["b: f calls _explanation"])


@pytest.mark.parametrize("look", [measures.import_procedures, measures.conflict_searches, measures.configuration_path])
def test_a_name_that_the_package_no_longer_defines_is_an_error(
    plant: Plant, look: Callable[[SourceTree], measures.Found]
) -> None:
    with pytest.raises(measures.StaleName, match="not found in the package"):
        look(plant({"a.py": "def renamed(): ..."}))


def test_modules_that_handle_the_configuration_are_counted_and_its_own_are_not(plant: Plant) -> None:
    classes = "".join(f"class {name}: ...\n" for name in measures.CONFIG_CLASSES)
    handling = {"named.py": "def f(config: HostConfig): ...", "q/read.py": "workers = registry.config.workers"}
    others = {"passed.py": "from p.config.file import HostConfig", "type.py": "kind = tensor.dtype.config"}
    own = {"config/file.py": f"{classes}default = HostConfig()", "cli/a.py": "HostConfig()"}
    tree = plant({**handling, **others, **own})
    assert measures.configuration_path(tree) == (2, ["named", "q.read"])


def test_a_folder_counts_its_own_modules_without_dunder_names(plant: Plant) -> None:
    q = {f"q/{name}": "" for name in ("__init__.py", "__main__.py", "a.py", "b.py", "r/c.py", "gate.c", "gate.h")}
    tree = plant({"loose.py": "", **q})
    assert measures.largest_folder(tree) == (2, ["p/q: 2 (and 1 in C: gate)", "p: 1", "p/q/r: 1"])
    assert measures.loose_modules(tree) == (1, ["loose"])


def test_the_command_ends_with_1_where_a_limit_is_exceeded() -> None:
    command = [sys.executable, "-m", "tests.support.layout", "--json"]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, timeout=60)
    rows = json.loads(done.stdout)
    assert [row["what"] for row in rows] == [measure.what for measure in MEASURES]
    assert [row["ok"] for row in rows] == [row["now"] <= row["wanted"] for row in rows]
    assert done.returncode == (0 if all(row["ok"] for row in rows) else 1)
