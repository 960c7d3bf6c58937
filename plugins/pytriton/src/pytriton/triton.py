"""`Triton` and `RemoteTriton`: what a script binds and serves; the module from which it imports their settings too."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pytriton.config import (
    DefaultTritonLifecyclePolicy,
    TritonConfig,
    TritonLifecyclePolicy,
    TritonSecurityConfig,
    VertextAILifecyclePolicy,
)
from pytriton.constants import DEFAULT_TRITON_STARTUP_TIMEOUT_S
from pytriton.exceptions import PyTritonInvalidOperationError, PyTritonUnrecoverableError
from pytriton.serving.attaching import attached
from pytriton.serving.daemon import MONITORING_PERIOD_S, folder_of, stop_signals, watched
from pytriton.serving.model import BoundModel, Callables, bound_model
from pytriton.serving.remote import daemon_at, local_address
from pytriton.serving.server_options import host_keywords, in_fields, security_problems
from pytriton.utils.workspace import Workspace
from pytriton_plugins import Host
from pytriton_plugins.errors import HostError, PytritonPluginsError
from pytriton_plugins.script.attachment import Attachment

if TYPE_CHECKING:
    from typing_extensions import Self

    from pytriton.model_config.model_config import ModelConfig
    from pytriton.model_config.tensor import Tensor
    from pytriton_plugins.script.connected import ConnectedHost

__all__ = [
    "DefaultTritonLifecyclePolicy",
    "RemoteTriton",
    "Triton",
    "TritonConfig",
    "TritonLifecyclePolicy",
    "TritonSecurityConfig",
    "VertextAILifecyclePolicy",
]

_LOG = logging.getLogger("pytriton.triton")


class TritonBase:
    """Binds callables of this process to a server, and serves them until it is stopped."""

    def __init__(self, workspace: Workspace | str | Path | None = None) -> None:
        if workspace is not None and not isinstance(workspace, Workspace):
            Path(workspace).expanduser().mkdir(parents=True, exist_ok=True)  # for the script's own files
        self._models: dict[tuple[str, int], BoundModel] = {}
        self._attached: dict[tuple[str, int], Attachment] = {}
        self._changing = threading.RLock()
        self._stopped = threading.Event()
        self._error: Exception | None = None
        self._is_running = False
        self._host: Host | ConnectedHost | None = None

    def bind(
        self,
        model_name: str,
        infer_func: Callables,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        model_version: int = 1,
        config: ModelConfig | None = None,
        strict: bool = False,
        trace_config: list[str] | None = None,
    ) -> None:
        """Serve ``infer_func`` under this name: at once if the server runs, else when it starts.

        A list of callables is served side by side, each call in the thread of one of them. A name and version that are
        bound already are replaced. Without ``strict`` outputs are converted to the declared dtype, undeclared ones are
        dropped and missing ones are left out. Raises PyTritonValidationError for what cannot be served.
        """
        model = bound_model(model_name, model_version, infer_func, inputs, outputs, config, strict)
        if trace_config:
            _LOG.warning("bind: trace_config is not used: write trace_config in TritonConfig")
        with self._changing:
            if self._is_running:
                self._attach(model)
            self._models[model.name, model.version] = model

    def serve(self, monitoring_period_s: float = MONITORING_PERIOD_S) -> None:
        """Serve until Ctrl-C, SIGTERM, `stop`, or a PyTritonUnrecoverableError of a callable, which the log shows.

        Raises PyTritonInvalidOperationError if the server has ended by itself, also since `run`.
        """
        with self._changing:
            if self._error is None:
                self.connect()
        with stop_signals(self._stopped):
            self._stopped.wait()
        error, self._error = self._error, None
        self.stop()
        if error is not None:
            raise error

    def connect(self) -> None:
        """Serve all bound models; returns when clients can call them."""
        with self._changing:
            if not self._is_running:
                self._begin()
            for key, model in self._models.items():
                if key not in self._attached:
                    self._attach(model)

    def _begin(self) -> None:
        self._stopped.clear()
        self._error = None
        self._host = self._start()
        self._is_running = True
        watched(self._host, functools.partial(self._on_end, self._host))

    def stop(self) -> bool:
        """Serve no longer; whether it has served. Requests that run may finish."""
        with self._changing:
            was_running, self._is_running = self._is_running, False
            self._stopped.set()
            self._end()
            self._attached.clear()
            self._host = None
            return was_running

    def is_alive(self) -> bool:
        """Whether the server runs and every bound model is served."""
        return self._is_running and all(each.is_attached for each in [*self._attached.values()])

    def is_connected(self) -> bool:
        """Whether clients can call every bound model."""
        return self.is_alive() and len(self._attached) == len(self._models)

    def __enter__(self) -> Self:
        try:
            self.connect()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> Host | ConnectedHost:
        """The daemon to serve with; raises PyTritonInvalidOperationError where there is none."""
        raise NotImplementedError

    def _end(self) -> None:
        """End what `connect` has begun."""
        raise NotImplementedError

    def _attach(self, model: BoundModel) -> None:
        self._attached[model.name, model.version] = attached(folder_of(self._host), model, self._on_unrecoverable)

    def _on_end(self, host: Host | ConnectedHost, error: HostError | None) -> None:
        """The daemon of this start has ended."""
        with self._changing:
            if host is not self._host:
                return
            self._is_running = False
            if error is not None:
                self._error = self._error or PyTritonInvalidOperationError(str(error))
                _LOG.error("%s", error)
            self._stopped.set()

    def _on_unrecoverable(self, error: PyTritonUnrecoverableError) -> None:
        """A callable has ended the server; the caller is one of its own threads, for which a stop would wait."""
        _LOG.error("an unrecoverable error stops the server: %s", error)
        self._stopped.set()
        threading.Thread(target=self.stop, name="pytriton-stop").start()


class Triton(TritonBase):
    """A server of this script: ``with``, `run` and `serve` start it; `stop`, the block or the script's end ends it.

    With ``triton_lifecycle_policy=VertextAILifecyclePolicy`` only `run` and `serve` start it.
    """

    def __init__(
        self,
        *,
        config: TritonConfig | None = None,
        workspace: Workspace | str | Path | None = None,
        triton_lifecycle_policy: TritonLifecyclePolicy | None = None,
        security_config: TritonSecurityConfig | None = None,
    ) -> None:
        super().__init__(workspace)
        self._policy = triton_lifecycle_policy or DefaultTritonLifecyclePolicy
        given = {name: value for name, value in (config or TritonConfig()).to_dict().items() if value is not None}
        self._keywords = host_keywords({**TritonConfig.from_env().to_dict(), **given})
        for problem in security_problems(security_config):
            _LOG.warning(problem)

    def __enter__(self) -> Self:
        return super().__enter__() if self._policy.launch_triton_on_startup else self

    def run(self) -> None:
        """Start the server and serve all bound models; returns when clients can call them."""
        self.connect()

    def get_access_token(self) -> str:
        """Raises PyTritonInvalidOperationError: no token opens the closed APIs."""
        raise PyTritonInvalidOperationError(
            "there is no access token: the APIs that change the server are closed to all clients; "
            "open one with pytriton-host serve --allow CATEGORY"
        )

    def _start(self) -> Host:
        try:
            return Host(**self._keywords)
        except PytritonPluginsError as error:
            raise PyTritonInvalidOperationError(in_fields(str(error))) from None

    def _end(self) -> None:
        if self._host is not None:
            self._host.close()


class RemoteTriton(TritonBase):
    """Binds callables of this process to a server that runs already on this machine, as this user.

    ``url``: the address of its HTTP or gRPC port, such as ``localhost:8000`` or ``grpc://localhost:8001``. The server
    goes on when this process ends, without its models. ``with``, `connect` and `serve` wait for it for up to 120 s.
    Raises PyTritonClientInvalidUrlError, and PyTritonInvalidOperationError for the address of another machine.
    """

    def __init__(
        self, url: str, workspace: Workspace | str | Path | None = None, access_token: str | None = None
    ) -> None:
        super().__init__(workspace)
        self._address = local_address(url)
        if access_token is not None:
            _LOG.warning("RemoteTriton: access_token is not used: a server takes the callables of its own user")

    def _start(self) -> ConnectedHost:
        return daemon_at(self._address, DEFAULT_TRITON_STARTUP_TIMEOUT_S)

    def _end(self) -> None:
        for each in self._attached.values():
            each.remove()
        if self._host is not None:
            self._host.close()
