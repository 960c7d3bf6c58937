"""Valid references and invalid ones; each mistake has its own message."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.discovery.importing import import_reference, notes, split_reference
from pytriton_plugins.errors import DiscoveryError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path; modules imported from it are forgotten after the test."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_a_module_and_its_attribute(folder: Path) -> None:
    (folder / "acme_one.py").write_text("class Outer:\n    inner = 3\n")
    module, attribute = import_reference("acme_one")
    assert (module.__name__, attribute) == ("acme_one", None)
    assert import_reference("acme_one:Outer.inner")[1] == 3


def test_a_file_and_its_neighbour(folder: Path) -> None:
    other = folder / "elsewhere"
    other.mkdir()
    (other / "neighbour_of_it.py").write_text("value = 5\n")
    (other / "acme_file.py").write_text("from neighbour_of_it import value\n")
    module, attribute = import_reference(f"{other / 'acme_file.py'}:value")
    assert (module.__name__, attribute) == ("acme_file", 5)
    assert import_reference(str(other / "acme_file.py"))[0] is module


@pytest.mark.parametrize("reference", ["", ":name", "pkg..mod", "pkg.mod:", "pkg.mod:1a", "a-b", "pkg mod", "x.py:"])
def test_an_invalid_reference_is_refused(reference: str) -> None:
    with pytest.raises(DiscoveryError, match=r"write pkg\.module"):
        split_reference(reference)


def test_a_missing_module_is_told_from_its_missing_dependency(folder: Path) -> None:
    (folder / "acme_needs.py").write_text("import absent_library\n")
    with pytest.raises(DiscoveryError, match="module absent_module is not installed in"):
        import_reference("absent_module")
    with pytest.raises(DiscoveryError, match=r"module acme_needs\.sub is not installed in|needs the module"):
        import_reference("acme_needs.sub")
    with pytest.raises(DiscoveryError, match="acme_needs needs the module absent_library, which is not installed in"):
        import_reference("acme_needs")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\n1 / 0\n", r"ZeroDivisionError: division by zero \(line 2\)$"),
        ("def (:\n", r"SyntaxError: invalid syntax \(line 1\)$"),
        ("import sys\nsys.exit('bye')\n", "SystemExit: bye"),
        ("raise RuntimeError('two\\nlines')\n", "RuntimeError: two lines"),
        ("from os import no_such_name\n", "ImportError: cannot import name"),
        (
            "from pytriton_plugins import Tensor\n\nX = Tensor('x', float, ())\n",
            r"DeclarationError: Tensor 'x': dtype float may mean .* \(line 3\)$",
        ),
    ],
)
def test_an_import_that_raises_says_what_and_where(folder: Path, source: str, expected: str) -> None:
    (folder / "acme_raises.py").write_text(source)
    for reference in ("acme_raises", str(folder / "acme_raises.py")):
        with pytest.raises(DiscoveryError, match=f"cannot be imported: {expected}"):
            import_reference(reference)
    assert "acme_raises" not in sys.modules


def test_a_missing_file_and_a_missing_attribute(folder: Path) -> None:
    with pytest.raises(DiscoveryError, match=r"nothing.py is not a file"):
        import_reference("nothing.py")
    (folder / "acme_empty.py").write_text("")
    with pytest.raises(DiscoveryError, match="acme_empty has no 'add'"):
        import_reference("acme_empty:add")


def test_a_file_that_would_hide_an_imported_module(folder: Path) -> None:
    (folder / "json.py").write_text("")
    with pytest.raises(DiscoveryError, match="a module named json is already imported; give the file another name"):
        import_reference(str(folder / "json.py"))


def test_a_file_that_would_hide_a_module_that_is_not_imported_yet(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("colorsys", "wsgiref", "zipapp"):
        monkeypatch.delitem(sys.modules, name, raising=False)  # what other tests have used may have imported it
        (folder / f"{name}.py").write_text("")
        with pytest.raises(DiscoveryError, match=rf"there is a module named {name} \(.*\); give the file another name"):
            import_reference(str(folder / f"{name}.py"))


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on no path, with files named like modules, one of which is also installed."""
    installed, folder = tmp_path / "installed", tmp_path / "models"
    installed.mkdir()
    folder.mkdir()
    (installed / "acme_lib.py").write_text("import colorsys, subprocess\nfrom acme_utils import installed\n")
    (installed / "acme_utils.py").write_text("installed = True\n")
    for name in ("colorsys", "subprocess", "acme_utils"):
        (folder / f"{name}.py").write_text("raise RuntimeError('the wrong one')\n")
    (folder / "numpy").mkdir()
    (folder / "numpy" / "__init__.py").write_text("raise RuntimeError('the wrong one')\n")
    (folder / "quiet_one.py").write_text("value = 7\n")
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path, str(installed)])
    yield folder
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_files_beside_a_model_replace_no_module_of_a_library(beside: Path) -> None:
    """Libraries import their own modules; the model imports the files beside it."""
    (beside / "acme_model.py").write_text("import acme_lib, numpy\nfrom quiet_one import value\n")
    module, value = import_reference(f"{beside / 'acme_model.py'}:value")
    assert value == 7
    assert module.acme_lib.installed
    files = {note.partition(" is hidden by the module ")[0] for note in notes(str(beside / "acme_model.py"))}
    assert files == {str(beside / name) for name in ("acme_utils.py", "colorsys.py", "numpy", "subprocess.py")}


def test_files_beside_a_model_override_the_working_directory(
    beside: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "quiet_one.py").write_text("raise RuntimeError('the wrong one')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    (beside / "acme_model.py").write_text("from quiet_one import value\n")
    assert import_reference(f"{beside / 'acme_model.py'}:value")[1] == 7


def test_a_working_directory_in_pythonpath_does_not_bring_the_folder_to_the_front(
    beside: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path, str(tmp_path)])
    (beside / "acme_model.py").write_text("import acme_lib\n")
    assert import_reference(f"{beside / 'acme_model.py'}:acme_lib")[1].installed


def test_a_compiled_module_is_not_hidden_from_its_source_beside_it(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cython and mypyc leave both; here the compiled one is a module of Python that nothing has imported yet."""
    compiled = (path for folder in sys.path for path in Path(folder).glob("lib-dynload/*.so"))
    found = next(path for path in compiled if path.name.partition(".")[0] not in sys.modules)
    name = found.name.partition(".")[0]
    shutil.copy(found, beside)
    (beside / f"{name}.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(beside), *sys.path])
    (beside / "acme_model.py").write_text(f"from {name} import __file__ as file\n")
    assert import_reference(f"{beside / 'acme_model.py'}:file")[1] == str(beside / found.name)
    notes_of_it = [note for note in notes(str(beside / "acme_model.py")) if f"{name}.py" in note]
    assert [note for note in notes_of_it if " is hidden by " in note] == []


def test_an_import_that_finds_the_other_module_says_which_file_is_hidden(beside: Path) -> None:
    (beside / "acme_model.py").write_text("from acme_utils import mine\n")
    with pytest.raises(DiscoveryError) as caught:
        import_reference(str(beside / "acme_model.py"))
    assert str(caught.value).endswith(f"; {beside / 'acme_utils.py'} is hidden by that module, rename it")
    (beside / "acme_model.py").write_text("from acme_utils.part import mine\n")
    with pytest.raises(DiscoveryError, match=r"needs the module acme_utils\.part, .* is hidden by that module, rename"):
        import_reference(str(beside / "acme_model.py"))


def test_a_file_that_hides_a_module_all_the_same_is_told(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python itself lets files on PYTHONPATH hide modules."""
    monkeypatch.setattr(sys, "path", [str(beside), *sys.path])
    (beside / "acme_utils.py").write_text("")
    (beside / "acme_model.py").write_text("import acme_utils\n")
    import_reference(str(beside / "acme_model.py"))
    (note,) = [note for note in notes(str(beside / "acme_model.py")) if "acme_utils" in note]
    assert note.startswith(f"{beside / 'acme_utils.py'} hides the module acme_utils (")
    assert note.endswith("); rename it, or remove its folder from PYTHONPATH")


def test_what_is_installed_below_the_folder_of_a_file_hides_what_lies_beside_it(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment beside the model, as in a checkout."""
    installed = beside / ".venv" / "site-packages"
    for folder in (installed, beside):
        (folder / "acme_twice").mkdir(parents=True)
        (folder / "acme_twice" / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(installed)])
    (beside / "acme_model.py").write_text("import acme_twice\n")
    import_reference(str(beside / "acme_model.py"))
    (note,) = [note for note in notes(str(beside / "acme_model.py")) if "acme_twice" in note]
    loaded = installed / "acme_twice" / "__init__.py"
    assert note == f"{beside / 'acme_twice'} is hidden by the module acme_twice ({loaded}); rename it to import it"
