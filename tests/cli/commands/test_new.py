"""`pytriton-host new`: a project that builds, installs, serves and passes its own tests, offline."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import run_host
from tests.cli.conftest import Called
from tests.support.traffic.clients import infer

OFFLINE = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **OFFLINE}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def built(project: Path, folder: Path) -> Path:
    """The project's wheel, made by the build backend of this environment."""
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", folder, project)
    (wheel,) = folder.glob("*.whl")
    return wheel


def installed(wheel: Path, folder: Path) -> Path:
    """The Python of a new environment that has the wheel, and sees the packages of this one."""
    venv.create(folder, with_pip=False, system_site_packages=False, symlinks=True)
    python = folder / "bin" / "python"
    pip("--python", python, "install", "--no-index", "--no-deps", wheel)
    (site,) = folder.glob("lib/python*/site-packages")
    # As a site folder and not as a path, for an editable installation is a .pth file in it.
    there = [f"import site; site.addsitedir({path!r})" for path in sys.path if path.endswith("site-packages")]
    (site / "everything-else.pth").write_text("\n".join(there) + "\n")
    return python


@pytest.mark.parametrize("kind", ["model", "hooks", "repository"])
def test_a_project_passes_its_own_tests_in_a_fresh_environment(called: Called, tmp_path: Path, kind: str) -> None:
    ran = called("new", "acme-thing", *([] if kind == "model" else [f"--{kind}"]))
    assert ran.code == 0, ran.err
    assert f"acme-thing{os.sep}pyproject.toml" in ran.out
    project = tmp_path / "acme-thing"
    python = installed(built(project, tmp_path / "dist"), tmp_path / "fresh")
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(project / "tests")]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path / "fresh", env={**env, **OFFLINE}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_the_model_of_a_project_is_served(called: Called, tmp_path: Path) -> None:
    assert called("new", "acme-share").code == 0
    wheel = built(tmp_path / "acme-share", tmp_path / "dist")
    pip("install", "--no-index", "--no-deps", "--target", tmp_path / "more", wheel)
    with run_host(options=["--plugin=acme-share", f"--plugins-dir={tmp_path / 'more'}"]) as host:
        share = infer(host, "grpc", "acme_share", {"x": np.array([[1, 3]], np.float32)})["share"]
    assert share.tolist() == [[0.25, 0.75]]


@pytest.mark.parametrize("name", ["Acme", "acme_mean", "-acme", "acme--mean", "2acme", "acme mean", "../acme"])
def test_a_name_that_is_none_is_refused(called: Called, name: str) -> None:
    """An invalid name is refused."""
    ran = called("new", "--", name)
    assert ran.code == 2
    assert "invalid project name" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_nothing_is_overwritten(called: Called, tmp_path: Path) -> None:
    (tmp_path / "acme-mean").mkdir()
    (tmp_path / "acme-mean" / "mine").touch()
    ran = called("new", "acme-mean")
    assert ran.code == 2
    assert "already exists" in ran.err


def test_dir_says_where(called: Called, tmp_path: Path) -> None:
    assert called("new", "acme-mean", "--dir", "elsewhere/deep").code == 0
    assert (tmp_path / "elsewhere/deep/acme_mean/model.py").is_file()
