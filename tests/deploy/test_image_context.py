"""What is copied into the build context, and what is left as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pytriton_plugins.deploy.images.context import source_files, write_context
from pytriton_plugins.errors import ConfigError


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def found(folder: Path, output: Path) -> set[str]:
    return {str(path) for path in source_files(folder, output)}


def test_only_source_is_copied(tmp_path: Path) -> None:
    """Seen red with `pyvenv.cfg` not looked for, and with build/ left out at every depth (`_is_source`)."""
    kept = {"pyproject.toml", "acme/__init__.py", "acme/build/model.py", ".hidden/data"}
    built = ["acme/__pycache__/x.pyc", "acme/y.pyc", "build/lib/x", "dist/x.whl", "acme.egg-info/PKG-INFO", ".git/HEAD"]
    others = ["my-env/pyvenv.cfg", "my-env/lib/x.py", ".mypy_cache/x", ".env", ".venv/x", "image/Containerfile"]
    fill(tmp_path, *kept, *built, *others)
    assert found(tmp_path, tmp_path / "image") == kept


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_what_git_ignores_is_not_copied(tmp_path: Path) -> None:
    """Seen red without `_ignored_by_git`; what is not committed yet is copied."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    fill(tmp_path, "plugin/pyproject.toml", "plugin/new.py", "plugin/weights.bin", "plugin/bundle/server")
    (tmp_path / ".gitignore").write_text("*.bin\n/plugin/bundle/\n")
    assert found(tmp_path / "plugin", tmp_path / "image") == {"pyproject.toml", "new.py"}


def test_modes_are_the_same_everywhere(tmp_path: Path) -> None:
    """Seen red without the chmod in `_write`: the umask decides."""
    source = tmp_path / "source"
    fill(source, "plain", "tool")
    (source / "tool").chmod(0o700)
    (source / "link").symlink_to("plain")
    before = os.umask(0o077)
    try:
        written = write_context(tmp_path / "out", {"text": "ä"}, {"plugins/acme": source}, force=False)
    finally:
        os.umask(before)
    assert written == [("plugins/acme", 9), ("text", 2)]
    modes = {name: (tmp_path / "out" / name).stat().st_mode & 0o777 for name in ("text", "plugins/acme/tool")}
    assert modes == {"text": 0o644, "plugins/acme/tool": 0o755}
    assert (tmp_path / "out/plugins/acme/link").readlink() == Path("plain")


def test_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    """Only what is written is replaced, and only when asked. Seen red with the whole folder removed."""
    source, output = tmp_path / "source", tmp_path / "out"
    fill(source, "new.py")
    fill(output, "mine", "text", "plugins/acme/old.py", "plugins/other/old.py")
    with pytest.raises(ConfigError, match="is not empty; choose another with --output, or replace"):
        write_context(output, {"text": "new"}, {"plugins/acme": source}, force=False)
    assert (output / "text").read_text() == "text"
    write_context(output, {"text": "new"}, {"plugins/acme": source}, force=True)
    files = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
    assert files == {"mine", "text", "plugins/acme/new.py", "plugins/other/old.py"}
    assert (output / "text").read_text() == "new"


def test_what_is_no_folder(tmp_path: Path) -> None:
    fill(tmp_path, "out")
    with pytest.raises(ConfigError, match="out is no folder"):
        write_context(tmp_path / "out", {}, {}, force=True)
    with pytest.raises(ConfigError, match="cannot be written or read: Not a directory"):
        write_context(tmp_path / "out" / "deeper", {"text": ""}, {}, force=False)
