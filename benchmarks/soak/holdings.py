"""The memory, descriptors, threads and segments of each process of a host."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from attrs import frozen

from benchmarks import processes
from benchmarks.processes import PROC, Process
from benchmarks.start import is_worker

SEGMENT = "/memfd:"


@frozen
class Holding:
    """What one process holds. Bytes are PSS: a shared page counts in parts."""

    name: str
    pid: int
    bytes: int
    anonymous_bytes: int
    """The process's own memory: its heap and its stacks."""
    file_bytes: int
    """Programs and libraries; less if other processes of the machine use the same ones."""
    shared_bytes: int
    """Its part of the segments."""
    descriptors: int
    threads: int
    segments: int
    thread_names: dict[str, int]
    """Thread name → number of threads; the names show the library that made them."""


@frozen
class Sample:
    """All processes at one moment, after `requests` requests."""

    requests: int
    seconds: float
    holdings: list[Holding]


def sample(root: int, requests: int, seconds: float) -> Sample:
    """What the process `root` and its descendants hold now."""
    members = processes.tree(root)
    names = named([member.command_line for member in members])
    return Sample(requests, seconds, [holding(*each) for each in zip(members, names, strict=True)])


def named(command_lines: list[list[str]]) -> list[str]:
    """The name of each process: `host` for the first, `tritonserver`, `worker 1` …"""
    names = []
    workers = 0
    for index, command in enumerate(command_lines):
        workers += is_worker(command)
        names.append("host" if index == 0 else f"worker {workers}" if is_worker(command) else Path(command[0]).name)
    return names


def holding(member: Process, name: str) -> Holding:
    """What one process holds; zeros if it has ended."""
    folder = PROC / str(member.pid)
    memory = member.memory
    descriptors = entries(folder / "fd")
    mapped = segments_mapped(processes.read(folder / "maps"))
    threads = Counter(processes.read(folder / "task" / each / "comm").strip() for each in entries(folder / "task"))
    opened = {inode for each in descriptors if (inode := _segment_opened(folder / "fd" / each))}
    return Holding(
        name,
        member.pid,
        bytes=memory.get("Pss", 0),
        anonymous_bytes=memory.get("Pss_Anon", 0),
        file_bytes=memory.get("Pss_File", 0),
        shared_bytes=memory.get("Pss_Shmem", 0),
        descriptors=len(descriptors),
        threads=threads.total(),
        segments=len(mapped | opened),
        thread_names=dict(sorted(threads.items())),
    )


def segments_mapped(maps: str) -> set[int]:
    """The inode of each segment in a process's /proc/PID/maps."""
    return {int(line.split()[4]) for line in maps.splitlines() if SEGMENT in line}


def entries(folder: Path) -> list[str]:
    """The names in a folder of /proc; none if it is gone."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _segment_opened(descriptor: Path) -> int | None:
    try:
        return descriptor.stat().st_ino if os.readlink(descriptor).startswith(SEGMENT) else None
    except OSError:
        return None
