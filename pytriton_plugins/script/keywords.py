"""The keywords of `Host`, for type checkers. Written by docs/generate.py from config/settings.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from pytriton_plugins.values import OnFull


class HostKeywords(TypedDict, total=False):
    """The settings of `pytriton-host serve`; sizes are bytes or text as ``16MiB``, times seconds or ``500ms``."""

    address: str
    http_port: int
    grpc_port: int
    metrics_port: int
    tritonserver: Path | str | None
    server_options: Mapping[str, object] | Sequence[str]
    run_dir: Path | str | None
    plugins: str | Sequence[str]
    disable: str | Sequence[str]
    optional: str | Sequence[str]
    require: str | Sequence[str]
    plugins_dir: Path | str | None
    model_repositories: Path | str | Sequence[Path | str]
    skip_broken_hooks: bool
    workers: int | None
    shm_initial: int | str
    shm_max: int | str
    shm_total: int | str | None
    shm_growth: float
    shm_on_full: OnFull
    shm_wait: float | str
    shm_trim_after: float | str
    shm_lend: bool
    start_parallelism: int | None
    import_timeout: float | str
    load_timeout: float | str
    drain_delay: float | str
    drain_timeout: float | str
    grace_period: float | str | None
    allow: str | Sequence[str]
    forward_headers: str | Sequence[str]
    forward_prefix: str | None
    log_level: str
    reload: bool
    core_dumps: bool
    strict_security: bool
