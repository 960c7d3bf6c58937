"""No more processes, descriptors or disk space, and a read-only root; row 14 of the table of faults."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

import pytest
import tritonclient.grpc

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.sandbox.cgroups import SHARES, Cgroup, cgroup
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import asked_inputs, infer, texts
from tests.support.traffic.load import Load

LIFE = MODELS / "life.py"
IDLE = {"what": texts(""), "gate": texts("/-")}
READ_ONLY = ["unshare", "--mount", "sh", "-c", 'mount -o remount,bind,ro / && exec "$@"', "sh"]
SCRATCH = "mount -t tmpfs -o size=1m tmpfs /mnt"
FULL_DISK = f"{SCRATCH} && {{ dd if=/dev/zero of=/mnt/fill bs=1k 2>/dev/null; mkdir /mnt/run; }}"
DEATHS = 3
"""Of the worker of one host: with two more within a minute its model is given up."""

HOSTS = 4 if FULL else 1


def server_of(mark: Mark) -> int:
    """The process id of tritonserver."""
    (found,) = [pid for pid, line in mark.processes().items() if "bin/tritonserver" in line.split()[0]]
    return found


def kill_worker_without_processes(host: RunningHost, pids: Cgroup, mark: Mark, load: Load) -> float:
    """Seconds from the end of the shortage until requests are answered again."""
    told = host.log.count("no worker can be started: Resource temporarily unavailable")
    (worker,) = mark.workers()
    pids.write("pids.max", 1)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: host.log.count("no worker can be started") > told + 1, 20, "the log tells it twice")
    pids.write("pids.max", "max")
    eased = time.monotonic()
    answered = wait_until(lambda: load.answered_after(eased), 20, "requests are answered") or eased
    wait_until(lambda: host.status("/v2/health/ready") == 200, what="ready again")
    return answered - eased


def test_no_process_may_be_started() -> None:
    back, lost = [], []
    for _ in range(HOSTS):
        mark = Mark()
        with (
            cgroup("pids") as pids,
            cgroup("cpu", {"cpu.shares": SHARES}) as cpu,
            run_host(LIFE, env=mark.env, prefix=[*cpu.prefix, *pids.prefix]) as host,
        ):
            host.wait_settled()
            server = server_of(mark)
            with Load(host, "life", lambda: IDLE, anew=(False, True)) as load:
                wait_until(lambda: len(load.sent) > 100, 20, "the clients are at work")
                for _ in range(DEATHS):
                    back.append(kill_worker_without_processes(host, pids, mark, load))
            assert "readiness cannot be changed: tritonserver needs 5 more threads and 0 are allowed here" in host.log
            assert server_of(mark) == server
            lost += [each for each in load.failed if "worker" not in each.error]
            assert host.stop() == 0
    figure(14, "no process may be started while a worker is killed: requests lost otherwise", [len(lost)], "", 0)
    figure(14, "from its end until requests are answered", back, limit=2.0)


@pytest.mark.counted
def test_too_few_processes_for_a_start() -> None:
    """The start is refused in one line before tritonserver aborts for lack of threads."""
    with cgroup("pids", {"pids.max": 60}) as pids, run_host(LIFE, prefix=pids.prefix, ready=False) as host:
        line = last_line(host)
    assert line.startswith("pytriton-host: processes: ")
    assert " needed for the threads of tritonserver and 1 worker; raise the limit of processes of this " in line


def test_no_descriptor_is_left_for_another_client() -> None:
    """Connected clients continue; new ones are served once descriptors are free. Triton itself does this."""
    mark = Mark()
    with run_host(LIFE, env=mark.env) as host, tritonclient.grpc.InferenceServerClient(host.grpc) as client:
        asked = asked_inputs(tritonclient.grpc, IDLE)
        client.infer("life", asked)
        server = server_of(mark)
        limits = resource.prlimit(server, resource.RLIMIT_NOFILE)
        resource.prlimit(server, resource.RLIMIT_NOFILE, (3, limits[1]))
        with Load(host, "life", lambda: IDLE, protocols=("http",), clients=1, timeout=2.0) as load:
            for _ in range(100):
                client.infer("life", asked, client_timeout=60)
        assert load.sent
        assert all(each.error for each in load.sent)
        resource.prlimit(server, resource.RLIMIT_NOFILE, limits)
        eased = time.monotonic()
        for protocol in ("http", "grpc"):
            infer(host, protocol, "life", IDLE)
        figure(14, "descriptors again: until both protocols answer", [time.monotonic() - eased], limit=5.0)
        assert server_of(mark) == server
        assert host.stop() == 0


def in_namespace(command: str) -> list[str]:
    return ["unshare", "--mount", "sh", "-c", f'{command} && exec "$@"', "sh"]


def last_line(host: RunningHost) -> str:
    """The one line of a host that ended by itself."""
    assert host.process.wait(30) in (1, 2)
    assert "Traceback" not in host.log
    return host.log.splitlines()[-1]


@pytest.mark.counted
def test_a_full_disk_at_the_start() -> None:
    with run_host(LIFE, options=["--run-dir=/mnt/run"], prefix=in_namespace(FULL_DISK), ready=False) as host:
        line = last_line(host)
    assert line.startswith("pytriton-host: run directory /mnt/run")
    assert "No space left on device; " in line
    assert line.endswith("name another with --run-dir")


@pytest.mark.counted
def test_the_disk_is_full_when_another_server_is_started() -> None:
    mark = Mark()
    with run_host(LIFE, options=["--run-dir=/mnt/run"], env=mark.env, prefix=in_namespace(SCRATCH)) as host:
        host.wait_settled()
        mount = Path(f"/proc/{host.process.pid}/root/mnt")
        fill(mount / "first")
        configuration = next(mount.glob("run/pytriton-host-*/repository/pytriton_gate/config.pbtxt"))
        before = configuration.stat().st_mtime_ns
        os.kill(server_of(mark), signal.SIGKILL)
        wait_until(lambda: "runs again" in host.log, what="another server runs")
        host.wait_ready()
        infer(host, "grpc", "life", IDLE)
        assert configuration.stat().st_mtime_ns == before
        assert host.stop() == 0


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(512)):
                pass
        except OSError:
            return


@pytest.mark.counted
def test_a_read_only_root() -> None:
    """The host writes to its run directory only."""
    with run_host(LIFE, options=["--run-dir=/dev/shm/pytriton-test-run"], prefix=READ_ONLY) as host:
        for protocol in ("http", "grpc"):
            infer(host, protocol, "life", IDLE)
        assert host.stop() == 0
    Path("/dev/shm/pytriton-test-run").rmdir()


@pytest.mark.counted
def test_a_read_only_root_and_no_run_directory() -> None:
    with run_host(LIFE, prefix=READ_ONLY, ready=False) as host:
        assert last_line(host).endswith(
            "no temporary folder is writable; name a folder with --run-dir, such as one in a tmpfs"
        )
