"""Limits known before a start: descriptors, processes, address space and stack; in the host, and in `check`."""

from __future__ import annotations

import contextlib
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

_LARGEST_FORM = 128 * MIB
STACK = 1024 * MIB
"""Bytes of each thread's stack in tritonserver. Its HTTP parser puts a body that is sent as a form, which is what
``curl -d`` does by default, on the stack twice, whatever the body's own type: this holds 500 MB. What is not touched
is address space only. Bodies with another content type need none of it.
"""
LEAST_STACK = 2 * _LARGEST_FORM + MIB
"""For a form of 128 MiB. With less a request that people send would end tritonserver for everybody."""

_SERVER_SPACE = 512 * MIB
"""Bytes of address space of a tritonserver without the stacks."""

_SERVER_THREADS = 64 + 2 * _CPUS
"""45 with two processors, and those of gRPC grow with them."""

_DAEMON_THREADS = 24
_WORKER_THREADS = 2
"""Besides one for each slot."""

_SERVER_DESCRIPTORS = 96 + 2 * _CPUS
"""66 with two processors; another thread polls with some of its own."""

_DAEMON_DESCRIPTORS = 48
_WORKER_DESCRIPTORS = 6
"""In the daemon: of its process, link, output and kill pipe, and a successor's while it starts."""

_SLOT_DESCRIPTORS = 3
"""In either: a channel and its segments, one of them replaced by a larger one."""

FEWEST_CLIENTS = 64
AMPLE_CLIENTS = 256
"""Connections, each of which is a descriptor in tritonserver."""

_LAST_DESCRIPTORS = 16
_LAST_PART = 32
"""tritonserver is not ready with fewer left than these, or than this part of all: it reads files for becoming so."""

_MOST_DESCRIPTORS = 1 << 20
"""A soft limit beyond that costs programs that close everything up to it, and no host has a million clients."""

_INHERITED = resource.getrlimit(resource.RLIMIT_NOFILE)
"""What workers get: a library that calls select() counts on a soft limit of 1024."""

_DESCRIPTOR_REMEDY = "raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of docker and podman)"
PROCESS_REMEDY = "raise the limit of processes of this container (pids) or user (ulimit -u)"


@attrs.frozen
class Demand:
    """What is to be served: how many worker processes, and how many channels to all of them."""

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
    """One limit. ``allowed`` below ``needed`` ends the start, below ``ample`` it is warned of; all have one unit."""

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
        """``SUBJECT: how much there is and must be``, and what to do if it is not enough."""
        allowed = "unlimited" if self.allowed >= NO_LIMIT else f"{self._shown(self.allowed)} allowed"
        said = f"{self.subject}: {allowed}, {self._shown(self.needed)} needed {self.reason}"
        if self.short:
            return f"{said}; {self.remedy}"
        return f"{said}, {self._shown(self.ample)} advised; {self.remedy}" if self.scarce else said

    def _shown(self, number: int) -> str:
        return f"{number // MIB} MiB" if self.in_bytes else str(number)


def limits(demand: Demand) -> list[Limit]:
    """All of them, as they are here and now, before anything is started."""
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
    """The same when models are known and processes run: descriptors alone are counted for each process."""
    limit = _descriptors(demand)
    if limit.short:
        raise LimitError(str(limit))


def raise_descriptors() -> None:
    """Let this process, and tritonserver, have as many descriptors as may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _MOST_DESCRIPTORS), hard))


def restore_descriptors(pid: int) -> None:
    """Give a worker that was just started the limits that this process was started with."""
    with contextlib.suppress(OSError):  # it ended meanwhile
        resource.prlimit(pid, resource.RLIMIT_NOFILE, _INHERITED)


def lack_of_descriptors(pid: int) -> str:
    """Why this tritonserver can hardly take another client; empty if it can, as far as this process can see."""
    folder = f"/proc/{pid}/fd"
    try:
        soft, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        # Kernels before 6.2 do not say the number as the folder's size.
        used = os.stat(folder).st_size or len(os.listdir(folder))
    except OSError:
        return ""
    if soft - used >= max(_LAST_DESCRIPTORS, soft // _LAST_PART):
        return ""
    return f"{used} of {soft} descriptors are in use by clients; close idle connections, or {_DESCRIPTOR_REMEDY}"


@contextlib.contextmanager
def server_stack() -> Iterator[None]:
    """Threads of a tritonserver that is started meanwhile get a stack that holds what clients send.

    A program takes the soft limit that it is started with for all its threads, so it cannot be set later.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (_stack_size(soft, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def _stack_size(soft: int, hard: int) -> int:
    """As much as wanted, or as may be; more where the operator has set more. Without a limit threads get 2 MiB."""
    wanted = STACK if soft == resource.RLIM_INFINITY else max(STACK, soft)
    each = (_space() - _SERVER_SPACE) // (2 * _SERVER_THREADS)  # as many again for models
    return min(wanted, _no_limit(hard), max(LEAST_STACK, min(each, swappable())))


def _descriptors(demand: Demand) -> Limit:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    slots = _SLOT_DESCRIPTORS * demand.slots
    daemon = _DAEMON_DESCRIPTORS + _WORKER_DESCRIPTORS * demand.workers + slots
    server = _SERVER_DESCRIPTORS + slots
    return Limit(
        "descriptors",
        hard,
        max(daemon, server + FEWEST_CLIENTS),
        max(daemon, server + AMPLE_CLIENTS),
        f"for {_workers(demand)} and {FEWEST_CLIENTS} clients",
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
        _SERVER_SPACE + threads * LEAST_STACK,
        _SERVER_SPACE + threads * LEAST_STACK,
        f"for the stacks of {threads} threads of tritonserver",
        "raise the limit (ulimit -v, LimitAS= of systemd), or set vm.overcommit_memory to 0",
        in_bytes=True,
    )


def _stack() -> Limit:
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    return Limit(
        "stack",
        min(_no_limit(hard), swappable()),
        LEAST_STACK,
        LEAST_STACK,
        f"by tritonserver for an HTTP body of {_LARGEST_FORM // MIB} MiB",
        "raise the hard limit (ulimit -Hs, LimitSTACK= of systemd, --ulimit stack= of docker and podman)",
        in_bytes=True,
    )


def _space() -> int:
    """Bytes of address space that one process may have here, with memory behind all of it where that is asked for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return min(_no_limit(soft), committable())


def _no_limit(value: int) -> int:
    return NO_LIMIT if value == resource.RLIM_INFINITY else value


def _workers(demand: Demand) -> str:
    return f"{demand.workers} worker{'' if demand.workers == 1 else 's'}"
