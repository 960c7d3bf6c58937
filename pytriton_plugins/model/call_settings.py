"""The arguments of `infer_func` beside the tensors, and their checks."""

from __future__ import annotations

from typing import Any, NamedTuple

from pytriton_plugins.model.callable_form import refuse
from pytriton_plugins.model.declaration import INT32, MAX_SLOTS, MAX_TIMEOUT
from pytriton_plugins.model.sequence import Sequence


class Settings(NamedTuple):
    """The arguments of `infer_func` beside the tensors."""

    name: str | None
    version: int
    max_batch_size: int
    workers: int
    threads: int
    max_concurrency: int | None
    retry_alone: bool
    timeout: float | None
    triton_config: dict[str, Any] | None
    calls: Any = ()
    sequence: Sequence | None = None


def check_settings(where: str, settings: Settings) -> None:
    for name, minimum, note in (("version", 1, ""), ("max_batch_size", 0, " (0: no batch axis)"), ("workers", 1, "")):
        value = getattr(settings, name)
        if type(value) is not int or not minimum <= value <= INT32:
            refuse(where, f"{name}={value!r}; write a whole number from {minimum} up{note}")
    for name, slots in (("threads", settings.threads), ("max_concurrency", settings.max_concurrency)):
        is_default = name == "max_concurrency" and slots is None
        if not is_default and (type(slots) is not int or not 1 <= slots <= MAX_SLOTS):
            refuse(where, f"{name}={slots!r}; write a whole number from 1 to {MAX_SLOTS}")
    if type(settings.retry_alone) is not bool:
        refuse(where, f"retry_alone={settings.retry_alone!r}; write True or False")
    timeout = settings.timeout
    if timeout is not None and (type(timeout) not in (int, float) or not 0.001 <= timeout <= MAX_TIMEOUT):
        refuse(where, f"timeout={timeout!r}; write seconds from 0.001 to {MAX_TIMEOUT}, or omit it")
    if settings.sequence is not None and not isinstance(settings.sequence, Sequence):
        refuse(where, f"sequence={settings.sequence!r}; write sequence=Sequence(max_idle=60)")
    if settings.triton_config is not None:
        _check_triton_config(where, settings.triton_config)


def _check_triton_config(where: str, config: Any) -> None:
    import json  # only the few models with a configuration pay for it

    if not isinstance(config, dict):
        kind = type(config).__name__
        refuse(where, f'triton_config is a {kind}; write a dict such as {{"response_cache": {{"enable": True}}}}')
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        refuse(
            where, f"triton_config cannot be written as JSON ({error}); use str, numbers, bool, lists and dicts in it"
        )
