"""What is read of a repository, and what is refused, without a server."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from pytriton_plugins.discovery.entry_points import find_repositories
from pytriton_plugins.discovery.environments import find_repositories_of
from pytriton_plugins.discovery.references import RepositoryReference
from pytriton_plugins.discovery.repositories import configured_repository
from pytriton_plugins.host.repositories.folders import MAX_CONFIG
from pytriton_plugins.host.repositories.found import FoundModel, Step
from pytriton_plugins.host.repositories.reading import read_model, read_repository
from pytriton_plugins.host.triton.backends import BACKENDS, backend_folders, joined_backends
from tests.support.models.repositories import ensemble, install_repository, of_backend, write
from tests.support.sandbox.fake_distributions import install, path_with

ALL = ("1", "2", "3", "10", "03", "notes")


def read(folder: Path, *backends: Path) -> FoundModel:
    return read_model(folder, configured_repository(folder.parent), backends)


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        ("", (10,)),
        ("version_policy { latest { num_versions: 2 } }", (3, 10)),
        ("version_policy { all {} }", (1, 2, 3, 10)),
        ("version_policy { specific { versions: [3, 1] } }", (1, 3)),
    ],
)
def test_the_version_policy_chooses_versions(tmp_path: Path, policy: str, versions: tuple[int, ...]) -> None:
    assert read(write(tmp_path, "m", ensemble("other") + policy, ALL)).versions == versions


def test_a_specific_version_without_a_folder_is_refused(tmp_path: Path) -> None:
    policy = "version_policy { specific { versions: [1, 7] } }"
    assert read(write(tmp_path, "m", ensemble("other") + policy)).error == (
        "config.pbtxt: version_policy names 7, whose folder is missing; create it"
    )


def test_an_ensemble_names_each_model_once(tmp_path: Path) -> None:
    config = ensemble("one", "two", "one").replace('"two" model_version: -1', '"two" model_version: 4')
    assert read(write(tmp_path, "m", config)).steps == (Step("one", 0), Step("two", 4))


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ('default_model_filename: "../m.onnx"', "default_model_filename: '../m.onnx'"),
        ('cc_model_filenames { key: "8.0" value: "/etc/passwd" }', "cc_model_filenames: '/etc/passwd'"),
        ('output { name: "z" label_filename: "a/../../b" }', "label_filename: 'a/../../b'"),
        (
            'model_warmup { name: "w" inputs { key: "x" value { input_data_file: "/dev/zero" } } }',
            "input_data_file: '/dev/zero'",
        ),
        ('model_repository_agents { agents { name: "../agent" } }', "model_repository_agents: '../agent'"),
        ('model_operations { op_library_filename: "/lib/x.so" }', "op_library_filename: '/lib/x.so'"),
        ('runtime: "../model.py"', "runtime: '../model.py'"),
        (
            'sequence_batching { state { initial_state { data_file: "../../../../etc/passwd" } } }',
            "data_file: '../../../../etc/passwd'",
        ),
    ],
)
def test_files_outside_of_the_folder_are_refused(tmp_path: Path, more: str, error: str) -> None:
    found = read(write(tmp_path, "m", of_backend("any", more)))
    assert found.error == f"config.pbtxt: {error} is outside of the model's folder; move the file into it"


def test_a_type_that_this_version_does_not_know_is_left_to_triton(tmp_path: Path) -> None:
    found = read(write(tmp_path, "m", of_backend("any", 'input { name: "z" data_type: 77 dims: 1 }')))
    assert found.error == ""
    assert found.declaration is None


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_tensor_without_a_name_is_refused(tmp_path: Path, side: str) -> None:
    found = read(write(tmp_path, "m", of_backend("any", f"{side} {{ data_type: TYPE_FP32 dims: 1 }}")))
    assert found.error == f"config.pbtxt: an {side} has no name; write name"


def test_an_ensemble_with_a_backend_is_refused(tmp_path: Path) -> None:
    found = read(write(tmp_path, "m", f'backend: "../../evil"\n{ensemble("other")}'))
    assert found.error == "config.pbtxt: an ensemble has no backend, but it names '../../evil'; remove backend"


def test_a_bug_in_the_reading_is_the_row_of_that_model(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write(tmp_path, "m", of_backend("any"))
    no_folders = cast("Any", [None])
    found = read_model(folder, configured_repository(tmp_path), no_folders)
    assert found.error == "internal error; report it with the traceback in the log"
    assert "Traceback" in caplog.text


@contextlib.contextmanager
def without_permission(folder: Path) -> Iterator[None]:
    """This process may not read ``folder``; root may read every folder."""
    folder.chmod(0)
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


def test_a_repository_or_model_without_permission_is_a_row(tmp_path: Path) -> None:
    folder = write(tmp_path, "m", ensemble("other"))
    reference = configured_repository(tmp_path)
    read_repository(reference, ())  # which imports what another user may not
    with without_permission(tmp_path):
        assert read_repository(reference, ()).error == (
            f"{tmp_path} cannot be read: Permission denied; correct its permissions"
        )
        assert read_model(folder, reference, ()).error == (
            "its folder cannot be read: Permission denied; correct its permissions"
        )


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    folder = write(tmp_path, "m", "")
    (folder / "config.pbtxt").unlink()
    os.mkfifo(folder / "config.pbtxt")
    assert read(folder).error == "config.pbtxt is not a file; write one"


def test_a_pipe_among_the_files_is_refused(tmp_path: Path) -> None:
    os.mkfifo(write(tmp_path, "m", of_backend("any")) / "1" / "labels.txt")
    assert read(tmp_path / "m").error == "1/labels.txt is not a file: Triton ends when it reads it; remove it"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"#" * (MAX_CONFIG + 1), f"config.pbtxt has more than {MAX_CONFIG} bytes; shorten it"),
        (b"\xff", "config.pbtxt is not UTF-8 text; write it as Triton's protobuf text format"),
        (b"", "config.pbtxt: it names neither a backend nor a platform of Triton; write backend or platform"),
    ],
)
def test_a_configuration_that_is_no_text_is_refused(tmp_path: Path, content: bytes, error: str) -> None:
    folder = write(tmp_path, "m", "")
    (folder / "config.pbtxt").write_bytes(content)
    assert read(folder).error == error


def test_a_name_with_control_characters_is_escaped(tmp_path: Path) -> None:
    found = read(write(tmp_path, "a\x1b[31m\nb", ensemble("other")))
    assert found.error.startswith("invalid model name 'a\\x1b[31m\\nb'; name the folder with 1 to 64 of A-Z")
    assert found.name.isprintable()


def test_links_within_the_repository_are_followed(tmp_path: Path) -> None:
    write(tmp_path, "m", ensemble("other"))
    (tmp_path / "m" / "2").symlink_to("1")
    assert read(tmp_path / "m").versions == (2,)


def test_folders_that_are_not_models_are_left_out(tmp_path: Path) -> None:
    for name in (".git", "__pycache__", "lost+found"):
        (tmp_path / name).mkdir()
    (tmp_path / "README.md").touch()
    found = read_repository(configured_repository(tmp_path), ())
    assert found.error == f"{tmp_path} has no model; put a folder with config.pbtxt into it"


def test_a_backend_of_the_server_or_of_the_model_is_found(tmp_path: Path) -> None:
    server = tmp_path / "opt" / "bin" / "tritonserver"
    (tmp_path / "opt" / "backends" / "onnxruntime").mkdir(parents=True)
    folders = backend_folders(server)
    assert folders == (BACKENDS, tmp_path / "opt" / "backends")
    old = 'platform: "onnxruntime_onnx"'
    assert read(write(tmp_path, "m", old), *folders).error == ""
    assert (
        "has no backend own (it has ensemble, onnxruntime)"
        in read(write(tmp_path, "n", of_backend("own")), *folders).error
    )
    (tmp_path / "n" / "1" / "libtriton_own.so").touch()
    assert read(tmp_path / "n", *folders).error == ""
    joined = joined_backends(server, tmp_path)
    assert sorted(each.name for each in joined.iterdir()) == ["onnxruntime", "pytriton"]
    assert joined_backends(tmp_path / "bare" / "bin" / "tritonserver", tmp_path) == BACKENDS


def test_a_repository_of_a_distribution_is_found_without_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(install_repository(tmp_path, "pair"), "both", ensemble("other"))
    install(tmp_path, "acme-odd", {"pytriton_plugins.repositories": {"odd": "no_such_package", "path": "../x"}})
    monkeypatch.syspath_prepend(tmp_path)
    found = {
        each.plugin: read_repository(each, ()) for each in find_repositories() if each.plugin in ("pair", "odd", "path")
    }
    assert [model.name for model in found["pair"].models] == ["both"]
    assert found["odd"].error == "package no_such_package is not installed; install the distribution again"
    assert found["path"].error.startswith("'../x' does not name a folder of a package; write the entry point as")


def test_repositories_of_other_environments_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = install_repository(tmp_path, "pair")
    monkeypatch.setenv("PYTHONPATH", path_with(tmp_path))
    python = Path(sys.executable)
    found = {each.plugin: each for each in find_repositories_of(python, [])}
    value = "acme_pair.models"
    assert found["pair"] == RepositoryReference("pair", value, "acme-pair", "1.0", str(python), str(folder))
    assert "pair" not in {each.plugin for each in find_repositories_of(python, [found["pair"]])}
