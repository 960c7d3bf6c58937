"""What only an input can have, and what only an output."""

from __future__ import annotations

from collections.abc import Iterable

from pytriton_plugins.model.tensors import Tensor


def side_problem(side: str, tensors: Iterable[Tensor]) -> str:
    """The first problem of the tensors on this side (``input`` or ``output``) of a model; empty if there is none."""
    seen = set()
    for tensor in tensors:
        if tensor.name in seen:
            return f"two {side}s are named {tensor.name!r}; rename one of them"
        seen.add(tensor.name)
        if not tensor.name.isprintable():
            return f"{side} {tensor.name!r} has control characters in its name; remove them"
        problem = _problem_of_output(tensor) if side == "output" else _problem_of_input(tensor)
        if problem:
            return f"{side} {tensor.name!r} {problem}"
    return ""


def _problem_of_input(tensor: Tensor) -> str:
    return "has labels, which are for outputs; remove labels=" if tensor.labels else ""


def _problem_of_output(tensor: Tensor) -> str:
    if tensor.optional:
        return "is optional; only inputs can be, remove optional=True"
    return "has a format, which is for inputs; remove format=" if tensor.format else ""
