"""Limits that are known before a start: descriptors, processes, address space and stack."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
from collections.abc import Iterable, Iterator

import attrs

from pytriton_plugins.errors import LimitError
from pytriton_plugins.host.memory.system_limits import NO_LIMIT, committable, process_headroom, swappable
from pytriton_plugins.values import MIB

_LOG = logging.getLogger("pytriton.host")
_CPUS = os.cpu_count() or 1

_MAX_FORM = 128 * MIB
STACK = 1024 * MIB
"""Bytes of each thread's stack in tritonserver. Its HTTP parser copies a body that is sent as a form, the default of
``curl -d``, to the stack twice: this holds 500 MB. Untouched stack is address space only. Bodies with another content
type need none of it.
"""

MIN_STACK = 2 * _MAX_FORM + MIB
"""For a form of 128 MiB: with less, a common request would end tritonserver for all clients."""

_SERVER_SPACE = 512 * MIB
"""Bytes of address space of a tritonserver without the stacks."""

_SERVER_THREADS = 64 + 2 * _CPUS
"""45 are measured with two processors, and the number of gRPC's threads grows with processors."""

_DAEMON_THREADS = 24
_WORKER_THREADS = 2
"""Besides one for each slot."""

_SERVER_DESCRIPTORS = 96 + 2 * _CPUS
"""66 are measured with two processors; each thread that polls needs some of its own."""

_DAEMON_DESCRIPTORS = 48
_WORKER_DESCRIPTORS = 6
"""In the daemon: of its process, link, output and kill pipe, and a successor's while it starts."""

_SLOT_DESCRIPTORS = 3
"""In either: a channel and its segments, one of them replaced by a larger one."""

MIN_CLIENTS = 64
AMPLE_CLIENTS = 256
"""Connections; each is a descriptor in tritonserver."""

_MIN_FREE = 16
_MIN_FREE_PART = 32
"""tritonserver is not ready with fewer free descriptors than this number, or than this part of all: it reads files to
become ready.
"""

_MAX_DESCRIPTORS = 1 << 20
"""A higher soft limit slows down programs that close every descriptor, and no daemon has a million clients."""

_INHERITED = resource.getrlimit(resource.RLIMIT_NOFILE)
"""The limits of workers: a library that calls select() needs a soft limit of 1024."""

_DESCRIPTOR_REMEDY = "raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of docker and podman)"
PROCESS_REMEDY = "raise the limit of processes of this container (pids) or user (ulimit -u)"

_REMEDIES = {
    errno.EMFILE: _DESCRIPTOR_REMEDY,
    errno.ENFILE: "raise fs.file-max (sysctl), or end processes with many open files",
    errno.EAGAIN: PROCESS_REMEDY,
    errno.ENOMEM: "free memory, or raise the memory limit of this container",
}
"""By the error of a call that makes a descriptor or a process."""


@attrs.frozen
class Demand:
    """The number of worker processes, and of channels to all of them."""

    workers: int
    slots: int

    @classmethod
    def of(cls, models: Iterable[tuple[int, int]]) -> Demand:
        """The demand of models: of each the workers, and the slots of each worker."""
        counts = list(models)
        return cls(sum(workers for workers, _ in counts), sum(workers * slots for workers, slots in counts))

    @classmethod
    def of_plugins(cls, plugins: int, workers: int) -> Demand:
        """The least demand of plugins that are not imported yet: one model each, with ``workers`` workers."""
        return cls(plugins * workers, plugins * workers)


@attrs.frozen
class Limit:
    """One limit. ``allowed`` below ``needed`` ends the start, below ``ample`` it is a warning; all have one unit."""

    subject: str
    allowed: int
    needed: int
    ample: int
    reason: str
    remedy: str
    in_bytes: bool = False

    @property
    def short(self) -> bool:
        return self.allowed < self.needed

    @property
    def scarce(self) -> bool:
        return self.allowed < self.ample

    def __str__(self) -> str:
        """``SUBJECT: allowed and needed``, and what to do if that is not enough."""
        allowed = "unlimited" if self.allowed >= NO_LIMIT else f"{self._shown(self.allowed)} allowed"
        text = f"{self.subject}: {allowed}, {self._shown(self.needed)} needed {self.reason}"
        if self.short:
            return f"{text}; {self.remedy}"
        return f"{text}, {self._shown(self.ample)} advised; {self.remedy}" if self.scarce else text

    def _shown(self, number: int) -> str:
        return f"{number // MIB} MiB" if self.in_bytes else str(number)


def limits(demand: Demand) -> list[Limit]:
    """All limits, before anything is started."""
    return [_descriptors(demand), _processes(demand), _address_space(demand), _stack()]


def check_limits(demand: Demand) -> None:
    """Warn of each limit that is near; raises LimitError with a line for each that is too low."""
    found = limits(demand)
    for limit in found:
        if limit.scarce and not limit.short:
            _LOG.warning("%s", limit)
    short = [limit for limit in found if limit.short]
    if short:
        raise LimitError(*short)


def check_descriptors(demand: Demand) -> None:
    """The same while processes run, when only the limit of descriptors counts each process by itself."""
    limit = _descriptors(demand)
    if limit.short:
        raise LimitError(str(limit))


def raise_descriptors() -> None:
    """Raise the limit of descriptors of this process and of tritonserver as far as allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _MAX_DESCRIPTORS), hard))


def restore_descriptors(pid: int) -> None:
    """Give a new worker the limit that this process was started with."""
    with contextlib.suppress(OSError):  # it ended meanwhile
        resource.prlimit(pid, resource.RLIMIT_NOFILE, _INHERITED)


def shortage(error: OSError) -> str:
    """Why the system refused a descriptor or a process, and what to do if that is known."""
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{reason}; {remedy}" if remedy else reason


def lack_of_descriptors(pid: int) -> str:
    """Why this tritonserver has no room for more clients; empty if it has, or if that is unknown."""
    folder = f"/proc/{pid}/fd"
    try:
        soft, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        # In kernels before 6.2 the size of the folder is not the number.
        used = os.stat(folder).st_size or len(os.listdir(folder))
    except OSError:
        return ""
    if soft - used >= max(_MIN_FREE, soft // _MIN_FREE_PART):
        return ""
    return f"{used} of {soft} descriptors are in use by clients; close idle connections, or {_DESCRIPTOR_REMEDY}"


@contextlib.contextmanager
def server_stack() -> Iterator[None]:
    """A tritonserver that is started meanwhile has threads with a stack for large bodies.

    A program uses the soft limit at its start for all its threads, so it cannot be set later.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (_stack_size(soft, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def _stack_size(soft: int, hard: int) -> int:
    """`STACK`, or what is allowed; more where the operator has set more. Without a limit threads get 2 MiB."""
    wanted = STACK if soft == resource.RLIM_INFINITY else max(STACK, soft)
    share = (_space() - _SERVER_SPACE) // (2 * _SERVER_THREADS)  # as many again for models
    return min(wanted, _no_limit(hard), max(MIN_STACK, min(share, swappable())))


def _descriptors(demand: Demand) -> Limit:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    slots = _SLOT_DESCRIPTORS * demand.slots
    daemon = _DAEMON_DESCRIPTORS + _WORKER_DESCRIPTORS * demand.workers + slots
    server = _SERVER_DESCRIPTORS + slots
    return Limit(
        "descriptors",
        hard,
        max(daemon, server + MIN_CLIENTS),
        max(daemon, server + AMPLE_CLIENTS),
        f"for {_workers(demand)} and {MIN_CLIENTS} clients",
        _DESCRIPTOR_REMEDY,
    )


def _processes(demand: Demand) -> Limit:
    base = _SERVER_THREADS + _DAEMON_THREADS
    needed = base + _WORKER_THREADS * demand.workers + 2 * demand.slots  # in tritonserver, too
    # Libraries for linear algebra start a thread for each processor.
    ample = needed + demand.workers * min(_CPUS, 64)
    reason = f"for the threads of tritonserver and {_workers(demand)}"
    return Limit("processes", process_headroom(), needed, ample, reason, PROCESS_REMEDY)


def _address_space(demand: Demand) -> Limit:
    threads = _SERVER_THREADS + demand.slots
    return Limit(
        "address space",
        _space(),
        _SERVER_SPACE + threads * MIN_STACK,
        _SERVER_SPACE + threads * MIN_STACK,
        f"for the stacks of {threads} threads of tritonserver",
        "raise the limit (ulimit -v, LimitAS= of systemd), or set vm.overcommit_memory to 0",
        in_bytes=True,
    )


def _stack() -> Limit:
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    return Limit(
        "stack",
        min(_no_limit(hard), swappable()),
        MIN_STACK,
        MIN_STACK,
        f"by tritonserver for an HTTP body of {_MAX_FORM // MIB} MiB",
        "raise the hard limit (ulimit -Hs, LimitSTACK= of systemd, --ulimit stack= of docker and podman)",
        in_bytes=True,
    )


def _space() -> int:
    """Bytes of address space that one process may have here."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return min(_no_limit(soft), committable())


def _no_limit(value: int) -> int:
    return NO_LIMIT if value == resource.RLIM_INFINITY else value


def _workers(demand: Demand) -> str:
    return f"{demand.workers} worker{'' if demand.workers == 1 else 's'}"
