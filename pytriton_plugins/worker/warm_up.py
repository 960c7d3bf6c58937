"""Runs a model's warm-up samples before its worker serves; runs in the worker's main thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytriton_plugins.errors import DeclarationError
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.warmup import warmup_arrays
from pytriton_plugins.worker.call import Batch, CallPlan


def warm_up(declaration: ModelDeclaration, calls: CallPlan, samples: Sequence[Mapping[str, Any]]) -> bool:
    """Run each sample as often as it says, as a batch of requests of one row; raises DeclarationError for a failure.

    Triton would run them itself, once for each of its instances and not in every worker, and a sample that fails may
    end it: the instance's thread and the one that gives the instance up race for its list (2.51).
    """
    outputs = frozenset(tensor.name for tensor in declaration.outputs)
    for number, sample in enumerate(samples, 1):
        requests = sample.get("batch_size", 1) if declaration.batched else 1
        for _ in range(sample.get("count", 1)):
            batch = Batch(warmup_arrays(declaration, sample), (1,) * requests, (outputs,) * requests)
            for outcome in calls.run(batch):
                if outcome.error is not None:
                    raise DeclarationError(f"sample {sample.get('name', number)!r}: {outcome.error.message}")
    return True
