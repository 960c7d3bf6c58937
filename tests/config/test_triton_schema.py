"""A `triton_config` against Triton's own schema: every key and value that Triton would refuse, in words of ours."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pytriton_plugins.config.triton_schema import schema_problems


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"no_such_key": 3}, "no_such_key, which Triton does not know; see docs/reference/model-configuration.md"),
        ({"dynamic_batchin": {}}, "dynamic_batchin, which Triton does not know; did you mean dynamic_batching?"),
        (
            {"max_queue_delay_microseconds": 4},
            "max_queue_delay_microseconds, which Triton does not know; write "
            "dynamic_batching.max_queue_delay_microseconds",
        ),
        (
            {"dynamic_batching": {"maxQueueDelayMicroseconds": 4}},
            "dynamic_batching.maxQueueDelayMicroseconds, which Triton does not know; did you mean "
            "max_queue_delay_microseconds?",
        ),
        ({"response_cache": {"on": 1}}, "response_cache.on, which Triton does not know; the keys are enable"),
        ({"response_cache": {"enable": "yes"}}, "response_cache.enable = 'yes'; write true or false"),
        ({"response_cache": True}, "response_cache = True; write a table with enable"),
        ({"metric_tags": {"team": 1}}, "metric_tags.team = 1; write text"),
        ({"metric_tags": ["team"]}, "metric_tags = ['team']; write a table"),
        ({"parameters": {"a": "x"}}, "parameters.a = 'x'; write a table with string_value"),
        (
            {"parameters": {"a": {"string": "x"}}},
            "parameters.a.string, which Triton does not know; did you mean string",
        ),
        (
            {"optimization": {"priority": "HIGH"}},
            "optimization.priority = 'HIGH'; write one of PRIORITY_DEFAULT, PRIORITY_MAX, PRIORITY_MIN",
        ),
        ({"dynamic_batching": {"preferred_batch_size": 8}}, "dynamic_batching.preferred_batch_size = 8; write a list"),
        (
            {"dynamic_batching": {"preferred_batch_size": [8, "x"]}},
            "dynamic_batching.preferred_batch_size[1] = 'x'; write a whole number from -2147483648 to 2147483647",
        ),
        (
            {"dynamic_batching": {"max_queue_delay_microseconds": -1}},
            "dynamic_batching.max_queue_delay_microseconds = -1; write a whole number from 0 to 18446744073709551615",
        ),
        (
            {"dynamic_batching": {"max_queue_delay_microseconds": True}},
            "dynamic_batching.max_queue_delay_microseconds = True; write a whole number from 0 to 18446744073709551615",
        ),
        (
            {"dynamic_batching": {"priority_queue_policy": {"1": {"max_queue": 3}}}},
            "dynamic_batching.priority_queue_policy.1.max_queue, which Triton does not know; did you mean max_queue_",
        ),
    ],
)
def test_what_triton_would_not_take(config: dict[str, Any], problem: str) -> None:
    (said,) = schema_problems(config)
    assert said.startswith(f"triton_config has {problem}")


def test_all_of_them_are_told() -> None:
    config = {"a_key": 1, "dynamic_batching": {"b_key": 1, "preserve_ordering": 2}, "response_cache": {"c_key": 1}}
    assert [line.removeprefix("triton_config has ")[:18] for line in schema_problems(config)] == [
        "a_key, which Trito",
        "dynamic_batching.b",
        "dynamic_batching.p",
        "response_cache.c_k",
    ]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"dynamic_batching": {}},
        {"dynamic_batching": None},
        {"dynamic_batching": {"max_queue_delay_microseconds": "12", "preferred_batch_size": [4, 8.0]}},
        {"dynamic_batching": {"priority_levels": 2, "priority_queue_policy": {1: {"max_queue_size": 3}}}},
        {"optimization": {"priority": 2, "graph": {"level": -1}}, "metric_tags": {"team": "vision"}},
        {"response_cache": {"enable": True}, "parameters": {"commit": {"string_value": "4f2a1c"}}},
        {"model_warmup": "what workers see to", "name": "what is refused elsewhere"},
    ],
)
def test_what_triton_takes(config: dict[str, Any]) -> None:
    """As protobuf reads JSON: numbers may be texts, and enumerations numbers."""
    assert schema_problems(config) == []


def test_grpc_is_told_nothing_that_workers_would_inherit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRPC_ENABLE_FORK_SUPPORT", raising=False)
    schema_problems({"dynamic_batching": {}})
    assert "GRPC_ENABLE_FORK_SUPPORT" not in os.environ
