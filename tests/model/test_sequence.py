"""`sequence=` in a declaration: its values, and what does not go with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytriton_plugins import Context, Request, Sequence, Tensor, infer_func
from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.host.triton.repository import model_config
from pytriton_plugins.model.infer_func import declaration_of

X, Y = [Tensor("x", np.float32, (1,))], [Tensor("y", np.float32, (1,))]


def with_context(x: Any, ctx: Context) -> Any:
    return x


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"max_idle": 0}, "Sequence: max_idle=0; write seconds from 0.05 to 604800"),
        ({"max_idle": "60"}, "Sequence: max_idle='60'; write seconds from 0.05 to 604800"),
        ({"max_live": 0}, "Sequence: max_live=0; write a whole number from 1 to 65536"),
        ({"max_live": 2.0}, "Sequence: max_live=2.0; write a whole number from 1 to 65536"),
        ({"strategy": "newest"}, 'Sequence: strategy=\'newest\'; write "oldest" or "direct"'),
    ],
)
def test_values_that_are_wrong(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Sequence(**arguments)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"sequence": True}, "sequence=True; write sequence=Sequence(max_idle=60)"),
        (
            {"sequence": Sequence(), "triton_config": {"dynamic_batching": {}}},
            "triton_config has 'dynamic_batching' beside sequence=, and Triton has one batcher a model; remove it",
        ),
        (
            {"sequence": Sequence(strategy="direct"), "max_batch_size": 8},
            "sequence: max_live=256 is too much for the direct strategy with max_batch_size=8; write max_live=248 at "
            'most, or strategy="oldest"',
        ),
    ],
)
def test_arguments_that_contradict(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        infer_func(inputs=X, outputs=Y, **arguments)(with_context)
    assert str(caught.value) == f"@infer_func on with_context: {problem}"


def test_a_callable_that_cannot_see_its_sequence() -> None:
    def plain(x: Any) -> Any:
        return x

    problem = "the callable cannot see its sequence; add a parameter ctx: Context, or take list"
    with pytest.raises(DeclarationError, match=problem):
        infer_func(inputs=X, outputs=Y, sequence=Sequence())(plain)


DIRECT = {"max_sequence_idle_microseconds": 500_000, "direct": {}}


@pytest.mark.parametrize(
    ("sequence", "rows", "instances", "batching"),
    [
        (Sequence(), 32, 3, {"max_sequence_idle_microseconds": 60_000_000, "oldest": {"max_candidate_sequences": 683}}),
        (Sequence(0.5, 100, "direct"), 32, 7, DIRECT),
        (Sequence(0.5, 8, "direct"), 1, 16, DIRECT),
        (Sequence(0.5, 30, "direct"), 1, 32, DIRECT),
        (Sequence(0.5, 991, "direct"), 32, 32, DIRECT),
    ],
)
def test_triton_has_more_slots_than_sequences_may_be_live(
    sequence: Sequence, rows: int, instances: int, batching: dict[str, Any]
) -> None:
    """The backend answers the starts of those too many; in Triton they would wait."""

    @infer_func(inputs=X, outputs=Y, sequence=sequence, max_batch_size=rows)
    def marked(requests: list[Request]) -> Any:
        return requests

    declaration = declaration_of(marked)
    assert declaration is not None
    config = model_config(declaration, 1, (1,))
    assert (config["instance_group"][0]["count"], config["sequence_batching"]) == (instances, batching)
