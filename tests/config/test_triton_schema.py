"""A `triton_config` against Triton's own schema: our message for every key and value that Triton would refuse."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pytriton_plugins.config.triton_schema import schema_problems


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"no_such_key": 3}, "unknown key no_such_key; see docs/reference/model-configuration.md"),
        ({"dynamic_batchin": {}}, "unknown key dynamic_batchin; did you mean dynamic_batching?"),
        (
            {"max_queue_delay_microseconds": 4},
            "unknown key max_queue_delay_microseconds; write dynamic_batching.max_queue_delay_microseconds",
        ),
        (
            {"dynamic_batching": {"maxQueueDelayMicroseconds": 4}},
            "unknown key dynamic_batching.maxQueueDelayMicroseconds; did you mean max_queue_delay_microseconds?",
        ),
        ({"response_cache": {"on": 1}}, "unknown key response_cache.on; known keys: enable"),
        ({"response_cache": {"enable": "yes"}}, "response_cache.enable: invalid value 'yes': expected true or false"),
        ({"response_cache": True}, "response_cache: invalid value True: expected a table with enable"),
        ({"metric_tags": {"team": 1}}, "metric_tags.team: invalid value 1: expected text"),
        ({"metric_tags": ["team"]}, "metric_tags: invalid value ['team']: expected a table"),
        ({"parameters": {"a": "x"}}, "parameters.a: invalid value 'x': expected a table with string_value"),
        (
            {"parameters": {"a": {"string": "x"}}},
            "unknown key parameters.a.string; did you mean string",
        ),
        (
            {"optimization": {"priority": "HIGH"}},
            "optimization.priority: invalid value 'HIGH': expected one of PRIORITY_DEFAULT, PRIORITY_MAX, PRIORITY_MIN",
        ),
        (
            {"dynamic_batching": {"preferred_batch_size": 8}},
            "dynamic_batching.preferred_batch_size: invalid value 8: expected a list",
        ),
        (
            {"dynamic_batching": {"preferred_batch_size": [8, "x"]}},
            "dynamic_batching.preferred_batch_size[1]: invalid value 'x': "
            "expected a whole number from -2147483648 to 2147483647",
        ),
        (
            {"dynamic_batching": {"max_queue_delay_microseconds": -1}},
            "dynamic_batching.max_queue_delay_microseconds: invalid value -1: "
            "expected a whole number from 0 to 18446744073709551615",
        ),
        (
            {"dynamic_batching": {"max_queue_delay_microseconds": True}},
            "dynamic_batching.max_queue_delay_microseconds: invalid value True: "
            "expected a whole number from 0 to 18446744073709551615",
        ),
        (
            {"dynamic_batching": {"priority_queue_policy": {"1": {"max_queue": 3}}}},
            "unknown key dynamic_batching.priority_queue_policy.1.max_queue; did you mean max_queue_",
        ),
    ],
)
def test_a_config_that_triton_refuses_is_an_error(config: dict[str, Any], problem: str) -> None:
    """Each mistake is named with the key and the remedy."""
    (message,) = schema_problems(config)
    assert message.startswith(f"triton_config: {problem}")


def test_all_of_them_are_told() -> None:
    config = {"a_key": 1, "dynamic_batching": {"b_key": 1, "preserve_ordering": 2}, "response_cache": {"c_key": 1}}
    assert [line.removeprefix("triton_config: ")[:30] for line in schema_problems(config)] == [
        "unknown key a_key; see docs/re",
        "unknown key dynamic_batching.b",
        "dynamic_batching.preserve_orde",
        "unknown key response_cache.c_k",
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
def test_a_config_that_triton_accepts_has_no_problem(config: dict[str, Any]) -> None:
    """As in protobuf's JSON, numbers may be strings, and enumerations may be numbers."""
    assert schema_problems(config) == []


def test_grpc_is_told_nothing_that_workers_would_inherit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRPC_ENABLE_FORK_SUPPORT", raising=False)
    schema_problems({"dynamic_batching": {}})
    assert "GRPC_ENABLE_FORK_SUPPORT" not in os.environ
