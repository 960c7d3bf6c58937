"""The parts of a long run: the samples of a process, the requests and their clients, and a short run of the whole."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from tritonclient.grpc import service_pb2

from benchmarks import processes
from benchmarks.cache import Cache
from benchmarks.servers.models import OF_THE_SOAK
from benchmarks.servers.ours import bundled_tritonserver, start_ours
from benchmarks.servers.server import free_place
from benchmarks.soak import verdict
from benchmarks.soak.holdings import holding, named, segments_mapped
from benchmarks.soak.run import SAMPLES, Soak
from tests.support.traffic.leaving_clients import ANSWERED, ENDS, HTTP_ANSWERED
from tests.support.traffic.raw_requests import mixture, request

MAPS = """\
7f00-7f10 rw-s 00000000 00:01 41 /memfd:pytriton-segment (deleted)
7f10-7f20 rw-s 00001000 00:01 41 /memfd:pytriton-segment (deleted)
7f20-7f30 rw-s 00000000 00:01 42 /memfd:pytriton-segment (deleted)
7f30-7f40 rw-p 00000000 00:00 0
7f40-7f50 r-xp 00000000 08:01 43 /usr/lib/libc.so.6
"""


def test_a_segment_counts_once_in_a_process() -> None:
    assert segments_mapped(MAPS) == {41, 42}


def test_processes_have_names() -> None:
    worker = ["python", "-m", "pytriton_plugins.worker", "--fd", "3"]
    lines = [["python", "-c", "…"], worker, ["/opt/tritonserver/bin/tritonserver"], worker]
    assert named(lines) == ["host", "worker 1", "tritonserver", "worker 2"]


def test_the_holdings_of_a_process_are_read() -> None:
    program = "import os, sys; os.memfd_create('pytriton-segment'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = processes.process(child.pid)
        assert found is not None
        held = holding(found, "small")
        child.kill()
    assert (held.descriptors, held.threads, held.segments) == (4, 1, 1)
    assert sum(held.thread_names.values()) == 1
    assert held.bytes > held.anonymous_bytes > 1_000_000


def test_a_process_that_is_gone_holds_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    held = holding(processes.Process(child.pid, 0, os.getpid()), "gone")
    assert (held.bytes, held.descriptors, held.threads, held.segments) == (0, 0, 0, 0)


def test_memory_by_its_kinds() -> None:
    text = "55d0-7ffe ---p 00000000 00:00 0   [rollup]\nRss:    8 kB\nPss:    6 kB\nPss_Anon:    4 kB\n"
    assert processes.parse_rollup(text) == {"Rss": 8192, "Pss": 6144, "Pss_Anon": 4096}


def test_a_mixture_is_the_same_for_a_seed_and_has_every_size() -> None:
    requests = mixture(random.Random(3))
    assert requests == mixture(random.Random(3))
    sizes = sorted(len(each.content) for each in requests)
    assert len(sizes) == 1000
    assert sizes[500] < 2_000
    assert 1_000_000 < sizes[-1] <= 4 << 20


def test_a_request_over_both_protocols() -> None:
    made = request("identity", "FP32", 2, b"12345678")
    message = service_pb2.ModelInferRequest.FromString(made.grpc)
    assert (message.model_name, list(message.inputs[0].shape)) == ("identity", [1, 2])
    head, _, body = made.http.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v2/models/identity/infer HTTP/1.1\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert body.endswith(b"}}12345678")


def test_a_short_run(tmp_path: Path) -> None:
    place = free_place(tmp_path / "ours", bundled_tritonserver())
    with start_ours(Cache(tmp_path), OF_THE_SOAK, place) as server:
        soak = Soak(server.pid, place, requests=1_000, leaving=0.1, settle_seconds=0)
        soak.run()
    assert sum(soak.ends.values()) == 1_000
    assert set(soak.ends) <= set(ENDS)
    assert soak.ends[ANSWERED] > soak.ends[HTTP_ANSWERED] > 0
    assert len(soak.samples) == SAMPLES + 1
    workers = [f"worker {number}" for number in (1, 2, 3)]
    assert [each.name for each in soak.samples[-1].holdings] == ["host", *workers, "tritonserver"]
    assert len(verdict.soak_table(soak.samples).splitlines()) == 7
