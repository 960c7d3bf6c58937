"""Images and containers of Debian's podman and runc, in their own store; needs root.

A build gets the settings of pip on this machine as a secret file and as volumes; they do not stay in the image or its
environment. Containers have an address that clients on the machine reach.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from pytriton_plugins.testing import RunningHost, wait_until
from tests.support.sandbox.bare_root import BareRoot, machine_environment, machine_paths

BUILD_TIMEOUT = 1200
_OWN = (Path("/etc/resolv.conf"), Path("/etc/hosts"))
"""Files that podman itself mounts into a container."""

# podman would raise these limits, which needs CAP_SYS_RESOURCE.
_SETTINGS = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
"""

HARDENED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp",
    "--shm-size=64m",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--memory=1g",
)


class Container:
    """A running container of `Podman.run`; ``http`` and ``grpc`` are its addresses, as a `RunningHost` has them."""

    def __init__(self, podman: Podman, name: str, address: str) -> None:
        self._podman = podman
        self.name = name
        self.http, self.grpc = f"{address}:8000", f"{address}:8001"

    @property
    def host(self) -> RunningHost:
        """This container as clients (tests/support/traffic) take it: they use only its addresses."""
        return cast("RunningHost", self)

    @property
    def pid(self) -> int:
        """The process id of its process 1 in this process's namespace."""
        return int(self.inspect()["State"]["Pid"])

    @property
    def log(self) -> str:
        done = self._podman.call("logs", self.name, check=False)
        return done.stdout + done.stderr

    def inspect(self) -> dict[str, Any]:
        return self._podman.inspect("container", self.name)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as an exec probe does."""
        return self._podman.call("exec", self.name, *command, check=False)

    def status(self, path: str) -> int:
        """The HTTP status of a GET of ``path``; 0 without an answer."""
        connection = http.client.HTTPConnection(self.http, timeout=5)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                return connection.getresponse().status
            except OSError:
                return 0

    def wait_ready(self) -> None:
        try:
            wait_until(lambda: self.status("/v2/health/ready") == 200, 60, "the container is ready")
        except TimeoutError as error:
            raise AssertionError(f"{error}; its log:\n{self.log}") from None

    def stop(self, seconds: int) -> int:
        """Run ``podman stop``, which sends SIGTERM and after ``seconds`` SIGKILL; returns the exit code."""
        self._podman.call("stop", f"--time={seconds}", self.name)
        return int(self.inspect()["State"]["ExitCode"])


class Podman:
    """podman with all its files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        places = [f"--root={folder / 'storage'}", f"--runroot={folder / 'run'}", f"--tmpdir={folder / 'tmp'}"]
        self._settings = folder / "containers.conf"
        self._settings.write_text(_SETTINGS)
        self._command = ["podman", *places, "--runtime=runc", "--cgroup-manager=cgroupfs"]

    def call(self, *arguments: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = [*self._command, *arguments]
        # Without systemd podman does not run health checks; the tests run them.
        env = {**os.environ, "DISABLE_HC_SYSTEMD": "true", "CONTAINERS_CONF": str(self._settings)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0 or not check, f"{arguments}: {done.stdout[-8000:]}{done.stderr[-8000:]}"
        return done

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        (found,) = json.loads(self.call(kind, "inspect", name).stdout)
        return cast("dict[str, Any]", found)

    def inspect_pod(self, name: str) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self.call("pod", "inspect", name).stdout))

    def import_bare_root(self, tag: str) -> None:
        """Import a base image that holds only Debian's python3, pip and venv."""
        root = BareRoot(self._folder / "bare")
        archive = self._folder / "bare.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(root.path, ".")
        shutil.rmtree(root.path)
        self.call("import", str(archive), tag)
        archive.unlink()

    def build(self, context: Path, tag: str, *options: str) -> str:
        """Build an image; returns the output of the build."""
        environment = machine_environment()
        settings = {
            name[4:].lower().replace("_", "-"): value for name, value in environment.items() if name[:4] == "PIP_"
        }
        config = self._folder / "pip.conf"
        config.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        volumes = [f"--volume={path}:{path}:ro" for path in machine_paths(environment) if path not in _OWN]
        secret = f"--secret=id=pip.conf,src={config}"
        done = self.call(
            *("build", "--format=docker", "--network=host", secret, *volumes, *options),
            *(f"--tag={tag}", str(context)),
            timeout=BUILD_TIMEOUT,
        )
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def run(self, image: str, *command: str, options: Sequence[str] = HARDENED) -> Iterator[Container]:
        """A container of ``image`` that is ready, removed at the end.

        As in a pod, another container holds the network. It stays when this container ends; its ports then refuse.
        """
        name = f"pytriton-test-{uuid.uuid4().hex[:12]}"
        holder = f"{name}-network"
        run = ("run", "--detach")
        try:
            self.call(*run, f"--name={holder}", "--entrypoint=/bin/sleep", image, "infinity")
            address = self.inspect("container", holder)["NetworkSettings"]["IPAddress"]
            self.call(*run, f"--name={name}", f"--network=container:{holder}", *options, image, *command)
            container = Container(self, name, address)
            container.wait_ready()
            yield container
        finally:
            self.call("rm", "--force", "--ignore", "--time=0", name)
            self.call("rm", "--force", "--ignore", "--time=0", holder)

    def read(self, image: str, command: str) -> str:
        """The output of a shell command that runs in ``image`` as root, without network."""
        user = ("--user=0:0", "--entrypoint=/bin/sh", "--network=none")
        return self.call("run", "--rm", *user, image, "-c", command).stdout

    @contextlib.contextmanager
    def files(self, image: str) -> Iterator[Path]:
        """The file system of ``image``."""
        try:
            yield Path(self.call("image", "mount", image).stdout.strip())
        finally:
            self.call("image", "unmount", image)

    def remove(self) -> None:
        """Remove all containers, images and mounts of podman."""
        self.call("rm", "--all", "--force", "--time=0", check=False)
        self.call("rmi", "--all", "--force", check=False)
        subprocess.run(["umount", str(self._folder / "storage" / "overlay")], capture_output=True, check=False)
