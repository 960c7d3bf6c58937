"""The content of a built image, and that two builds have the same content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.support.sandbox.podman import Podman

from .conftest import BASE


def test_the_image_is_what_the_containerfile_says(podman: Podman, image: str) -> None:
    inspected = podman.inspect("image", image)
    config, check = inspected["Config"], inspected["Healthcheck"]
    assert config["User"] == "10001:0"
    assert config["Entrypoint"] == ["pytriton-host"]
    assert config["Cmd"] == ["serve"]
    assert config["WorkingDir"] == "/srv/pytriton"
    assert config["StopSignal"] == "SIGTERM"
    assert set(config["ExposedPorts"]) == {"8000/tcp", "8001/tcp", "8002/tcp"}
    assert check["Test"] == ["CMD", "pytriton-host", "health", "ready"]
    assert (check["StartPeriod"], check["Interval"]) == (180 * 10**9, 10 * 10**9)
    labels = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in config["Labels"].items()
        if not name.startswith("io.buildah")
    }
    assert labels == {
        "title": "acme-tested",
        "version": "1.5",
        "description": 'Models that "tests" call for $5',
        "licenses": "MIT",
        "source": "https://example.com/acme",
        "base.name": BASE,
    }
    variables = {line.partition("=")[0] for line in config["Env"]}
    assert variables - {"PATH"} == {"HOME", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTRITON_HOST_ADDRESS"}


def test_nothing_of_the_build_is_left(podman: Podman, image: str) -> None:
    with podman.files(image) as root:
        tools = [
            name for name in ("cc", "gcc", "g++", "clang", "ld", "make", "zig") if (root / "usr/bin" / name).exists()
        ]
        assert tools == []
        assert not [*(root / "root").glob(".cache/*")]
        assert not (root / "etc/pip.conf").exists()
        assert not [*(root / "build").glob("*"), *(root / "added").glob("*"), *(root / "tmp").iterdir()]
        (site,) = (root / "opt/pytriton/lib").glob("python3.*/site-packages")
        names = {path.name for path in site.iterdir()}
        assert not names & {"pip", "setuptools", "hatchling", "ziglang"}
        assert {"pytriton_plugins", "pytriton_plugins_add_sub", "pytriton_plugins_tritonserver", "acme_tested"} <= names


def test_all_is_compiled_and_no_time_decides_whether_it_counts(podman: Podman, image: str) -> None:
    with podman.files(image) as root:
        (site,) = (root / "opt/pytriton/lib").glob("python3.*/site-packages")
        sources = [*site.glob("pytriton_plugins/**/*.py"), *site.glob("acme_tested/**/*.py")]
        assert len(sources) > 50
        for source in sources:
            (compiled,) = (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")
            assert compiled.read_bytes()[4:8] == b"\3\0\0\0", "a hash of the source that is checked"


def contents(root: Path) -> dict[str, str]:
    """Each file below ``root`` with its mode and digest, and each link with its target."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return found


@pytest.mark.skipif(os.environ.get("CONTAINERS") != "full", reason="another build takes minutes: CONTAINERS=full")
def test_two_builds_hold_the_same(podman: Podman, context: Path, image: str) -> None:
    podman.build(context, "localhost/acme:again", f"--build-arg=BASE={BASE}", "--no-cache")
    with podman.files(image) as one, podman.files("localhost/acme:again") as other:
        first, second = (contents(root / "opt/pytriton") | contents(root / "srv") for root in (one, other))
    assert len(first) > 1000
    different = [name for name in sorted({*first, *second}) if first.get(name) != second.get(name)]
    assert different == []


def test_a_change_of_a_plugin_leaves_the_framework_as_it_is(podman: Podman, context: Path, image: str) -> None:
    """The changed plugin does not come from a cache."""
    module = context / "plugins/acme-tested/acme_tested/__init__.py"
    before = module.read_text()
    try:
        module.write_text("# changed\n")
        podman.build(context, "localhost/acme:changed", f"--build-arg=BASE={BASE}", "--layers")
    finally:
        module.write_text(before)
    layers = [podman.inspect("image", name)["RootFS"]["Layers"] for name in (image, "localhost/acme:changed")]
    same = [one == other for one, other in zip(*layers, strict=True)]
    assert same[:2] == [True, True], "the base and the framework"
    assert not all(same)
