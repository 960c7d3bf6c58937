"""Files that are copied into the build context, and files that are not overwritten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytriton_plugins.deploy.images.context import write_context
from pytriton_plugins.errors import ConfigError


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_modes_are_the_same_everywhere(tmp_path: Path) -> None:
    source = tmp_path / "source"
    fill(source, "acme/plain.py", "acme/tool", "setup.py")
    (source / "acme/tool").chmod(0o700)
    (source / "acme/link").symlink_to("plain.py")
    before = os.umask(0o077)
    try:
        written = write_context(tmp_path / "out", {"text": "ä"}, {"plugins/acme": source}, force=False)
    finally:
        os.umask(before)
    assert written == [("plugins/acme", 30), ("text", 2)]
    modes = {name: (tmp_path / "out" / name).stat().st_mode & 0o777 for name in ("text", "plugins/acme/acme/tool")}
    assert modes == {"text": 0o644, "plugins/acme/acme/tool": 0o755}
    assert (tmp_path / "out/plugins/acme/acme/link").readlink() == Path("plain.py")


def test_a_link_to_a_file_elsewhere_is_copied_as_the_file(tmp_path: Path) -> None:
    """For example the licence of a repository of several projects."""
    source = tmp_path / "repository/add"
    fill(tmp_path, "repository/LICENSE", "repository/add/setup.py")
    (source / "LICENSE").symlink_to("../LICENSE")
    write_context(tmp_path / "out", {}, {"acme": source}, force=False)
    copied = tmp_path / "out/acme/LICENSE"
    assert (copied.is_symlink(), copied.read_text()) == (False, "repository/LICENSE")


def test_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    """With --force our own files are replaced, and no others."""
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


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "out")
    with pytest.raises(ConfigError, match="out is not a folder"):
        write_context(tmp_path / "out", {}, {}, force=True)
    with pytest.raises(ConfigError, match="cannot be written or read: Not a directory"):
        write_context(tmp_path / "out" / "deeper", {"text": ""}, {}, force=False)
