"""The files that the bundle's build hook keeps of NVIDIA's wheel, and its refusal of a wrong wheel."""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bundle_build_hook", Path(__file__).parents[1] / "build_hook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "destination"),
    [
        ("pytriton/tritonserver/bin/tritonserver", "pytriton/tritonserver/bin/tritonserver"),
        ("nvidia_pytriton.libs/libcurl-75a2bf80.so.4.7.0", "nvidia_pytriton.libs/libcurl-75a2bf80.so.4.7.0"),
        ("nvidia_pytriton-0.7.0.dist-info/licenses/LICENSE", "licenses/LICENSE"),
        ("nvidia_pytriton.libs/libpython3-419a3a08.13.so.1.0", None),
        ("pytriton/tritonserver/backends/python/libtriton_python.so", None),
        ("pytriton/tritonserver/bin/", None),
        ("pytriton/triton.py", None),
    ],
)
def test_only_what_the_server_needs_is_kept(hook: ModuleType, name: str, destination: str | None) -> None:
    assert hook.destination(name) == destination


def wheel_in(folder: Path, **files: str) -> Path:
    wheel = folder / "nvidia_pytriton-0.7.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


def test_unpacked_programs_are_executable_and_listed(hook: ModuleType, tmp_path: Path) -> None:
    server = "pytriton/tritonserver/bin/tritonserver"
    wheel = wheel_in(tmp_path, **{server: "program", "pytriton/x.py": "", "n.dist-info/licenses/LICENSE": "words"})
    hook.unpack(wheel, tmp_path / "bundle")
    files = {
        str(path.relative_to(tmp_path / "bundle")): path for path in (tmp_path / "bundle").rglob("*") if path.is_file()
    }
    assert sorted(files) == ["NOTICE", "licenses/LICENSE", server]
    assert (files[server].stat().st_mode & 0o777, files["licenses/LICENSE"].stat().st_mode & 0o777) == (0o755, 0o644)
    assert files["NOTICE"].read_text().splitlines()[3:] == ["licenses/LICENSE", server]


def test_a_wheel_with_another_hash_is_refused(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index").mkdir()
    other = wheel_in(
        tmp_path / "index",
        **{
            "nvidia_pytriton-0.7.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: nvidia-pytriton\nVersion: 0.7.0\n"
        },
    )
    with zipfile.ZipFile(other, "a") as archive:
        archive.writestr("nvidia_pytriton-0.7.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(other.parent))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "out").mkdir()
    with pytest.raises(
        hook.BuildError, match=r"has sha256 [0-9a-f]{64}, not 21f063ff.*use an index that has NVIDIA's own"
    ):
        hook.download("x86_64", tmp_path / "out")


def test_a_platform_without_a_bundle_is_one_line(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(hook.BuildError, match=r"^there is no bundled tritonserver for darwin on .*--tritonserver"):
        hook.check_platform()
