"""The report and the options of perf_analyzer."""

from __future__ import annotations

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.loads import LOADS, loads_named
from benchmarks.perf_analyzer import Figure, parse_report

HEAD = (
    "Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server Compute Input,"
    "Server Compute Infer,Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,p99 latency\n"
)


def test_report_of_one_concurrency() -> None:
    text = HEAD + "8,7734.25,2,169,98,10,82,70,0,1011,1407,1532,1894\n\n\n"
    assert parse_report(text) == Figure(per_second=7734.25, p50=1011, p90=1407, p95=1532, p99=1894)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 lines of figures"),
        (HEAD, "0 lines of figures"),
        (HEAD + "1,5,0,0,0,0,0,0,0,1,1,1,1\n2,9,0,0,0,0,0,0,0,1,1,1,1\n", "2 lines of figures"),
        (HEAD + "1,0,0,0,0,0,0,0,0,1,1,1,1\n", "no answered request"),
        (HEAD + "1,5,0,0\n", "'p50 latency'"),
        ("Concurrency,Requests/Second\n1,5\n", "'p50 latency'"),
    ],
)
def test_report_that_says_nothing(text: str, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        parse_report(text)


def test_the_loads_of_the_table() -> None:
    seen = [(load.protocol, load.clients, load.bytes, load.client_shared_memory) for load in LOADS]
    assert seen == [
        ("grpc", 1, 64, False),
        ("grpc", 8, 64, False),
        ("grpc", 32, 64, False),
        ("http", 1, 64, False),
        ("grpc", 1, 20_000, False),
        ("grpc", 1, 600_000, True),
        ("grpc", 1, 16_000_000, True),
    ]


def test_arguments_of_a_load_in_client_shared_memory() -> None:
    arguments = " ".join(loads_named("shm-600k")[0].arguments())
    assert arguments == (
        "-m identity -i grpc --shape x:150000 --concurrency-range 1"
        " --shared-memory system --output-shared-memory-size 600000"
    )


def test_arguments_of_a_load_of_strings() -> None:
    arguments = " ".join(loads_named("strings-1")[0].arguments())
    assert arguments == "-m strings -i grpc --shape x:1000 --concurrency-range 1 --string-length 20"


def test_loads_keep_the_order_of_the_table() -> None:
    assert [load.name for load in loads_named("http-1, grpc-8")] == ["grpc-8", "http-1"]
    assert loads_named(None) == LOADS


def test_unknown_load_is_named() -> None:
    with pytest.raises(BenchmarkError, match="unknown load grpc-9"):
        loads_named("grpc-1,grpc-9")
