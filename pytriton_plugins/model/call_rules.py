"""How far a callable that is attached may differ from one of a plugin: for packages that define other callables."""

from __future__ import annotations

from typing import NamedTuple


class CallRules(NamedTuple):
    """What `attach_by_rules` accepts beside what `infer_func` does; each rule by itself. Not public.

    ``equal_shapes``: a ``list[Request]`` holds requests whose inputs have equal shapes beyond the batch axis, as views
    of one array. ``any_form``: a generator may take ``list[Request]``, then of one request, and each yield is a list
    with one result; ``inputs`` or ``outputs`` may be empty lists. ``writable``: inputs are copies that the callable
    may change. ``lenient``: an output that is not declared is dropped, one that is missing passes, numbers of another
    dtype are converted, and shapes count only for their rows.
    """

    equal_shapes: bool = False
    any_form: bool = False
    writable: bool = False
    lenient: bool = False


STRICT = CallRules()
"""The rules of `infer_func`."""
