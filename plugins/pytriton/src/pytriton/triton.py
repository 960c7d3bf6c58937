"""`Triton` and `RemoteTriton`: what a script binds and serves; the module from which it imports their settings too."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pytriton.config import TritonConfig, TritonLifecyclePolicy, TritonSecurityConfig
from pytriton.exceptions import PyTritonInvalidOperationError, PyTritonUnrecoverableError
from pytriton.serving.calls import adapted
from pytriton.serving.daemon import MONITORING_PERIOD_S, stop_signals, watched
from pytriton.serving.model import BoundModel, Callables, bound_model
from pytriton.serving.model_options import attach_keywords, is_cached
from pytriton.serving.remote import daemon_at
from pytriton.serving.server_options import host_keywords, security_problems
from pytriton.utils.workspace import Workspace
from pytriton_plugins import Host
from pytriton_plugins.errors import HostError, PytritonPluginsError
from pytriton_plugins.script.attach import attach
from pytriton_plugins.script.attachment import Attachment

if TYPE_CHECKING:
    from typing_extensions import Self

    from pytriton.model_config.model_config import ModelConfig
    from pytriton.model_config.tensor import Tensor

__all__ = ["RemoteTriton", "Triton", "TritonConfig", "TritonLifecyclePolicy", "TritonSecurityConfig"]

_LOG = logging.getLogger("pytriton.triton")


class TritonBase:
    """Binds callables of this process to a server, and serves them until it is stopped."""

    def __init__(self, workspace: Workspace | str | Path | None = None) -> None:
        self._workspace = workspace if isinstance(workspace, Workspace) else Workspace(workspace)
        self._models: dict[tuple[str, int], BoundModel] = {}
        self._attached: dict[tuple[str, int], Attachment] = {}
        self._changing = threading.RLock()
        self._stopped = threading.Event()
        self._error: Exception | None = None

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
            if self._folder():
                self._attach(model)
            self._models[model.name, model.version] = model

    def serve(self, monitoring_period_s: float = MONITORING_PERIOD_S) -> None:
        """Serve until Ctrl-C, SIGTERM or `stop`.

        Raises PyTritonUnrecoverableError if a callable has raised it, and PyTritonInvalidOperationError if the server
        has ended by itself.
        """
        self.connect()
        with stop_signals(self._stopped):
            self._stopped.wait()
        error = self._error
        self.stop()
        if error is not None:
            raise error

    def connect(self) -> None:
        """Serve all bound models; returns when clients can call them."""
        with self._changing:
            for key, model in self._models.items():
                if key not in self._attached:
                    self._attach(model)

    def stop(self) -> bool:
        """Serve no longer; whether it has served. Requests that run may finish."""
        with self._changing:
            was_running = bool(self._folder())
            self._stopped.set()
            self._end()
            self._attached.clear()
            return was_running

    def is_alive(self) -> bool:
        """Whether the server runs and every bound model is served."""
        attached = [*self._attached.values()]
        return bool(self._folder()) and all(each.is_attached for each in attached)

    def is_connected(self) -> bool:
        """Whether clients can call every bound model."""
        return self.is_alive() and len(self._attached) == len(self._models)

    def __enter__(self) -> Self:
        self._stopped.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _folder(self) -> str:
        """The private folder of the daemon; empty where there is none."""
        raise NotImplementedError

    def _end(self) -> None:
        """End what `connect` has begun."""
        raise NotImplementedError

    def _attach(self, model: BoundModel) -> None:
        cached = is_cached(model)
        targets = [adapted(model, each, self._on_unrecoverable, cached=cached) for each in model.callables]
        try:
            attached = attach(
                self._folder(), targets if len(targets) > 1 else targets[0], **attach_keywords(model, cached=cached)
            )
            attached.ready()
        except PytritonPluginsError as error:
            raise PyTritonInvalidOperationError(str(error)) from None
        self._attached[model.name, model.version] = attached

    def _on_unrecoverable(self, error: PyTritonUnrecoverableError) -> None:
        """A callable has ended the server; the caller is one of its own threads, for which a stop would wait."""
        _LOG.error("an unrecoverable error stops the server: %s", error)
        self._error = self._error or error
        self._stopped.set()
        threading.Thread(target=self.stop, name="pytriton-stop").start()


class Triton(TritonBase):
    """A server of this script: it starts with `run` or `serve`, and ends with `stop`, the ``with`` block or the script."""

    def __init__(
        self,
        *,
        config: TritonConfig | None = None,
        workspace: Workspace | str | Path | None = None,
        triton_lifecycle_policy: TritonLifecyclePolicy | None = None,
        security_config: TritonSecurityConfig | None = None,
    ) -> None:
        super().__init__(workspace)
        given = {name: value for name, value in (config or TritonConfig()).to_dict().items() if value is not None}
        self._keywords = host_keywords({**TritonConfig.from_env().to_dict(), **given})
        for problem in security_problems(security_config):
            _LOG.warning(problem)
        self._host: Host | None = None

    def run(self) -> None:
        """Start the server and serve all bound models; returns when clients can call them."""
        with self._changing:
            self._start()
            super().connect()

    def connect(self) -> None:
        """The same as `run`."""
        self.run()

    def get_access_token(self) -> str:
        """Raises PyTritonInvalidOperationError: no token opens the closed APIs."""
        raise PyTritonInvalidOperationError(
            "there is no access token: the APIs that change the server are closed to all clients; "
            "open one with pytriton-host serve --allow CATEGORY"
        )

    def _folder(self) -> str:
        return self._host._daemon.folder if self._host is not None and self._host._daemon.is_running else ""

    def _start(self) -> None:
        if self._host is not None:
            return
        self._stopped.clear()
        self._error = None
        try:
            self._host = Host(**self._keywords)
        except PytritonPluginsError as error:
            raise PyTritonInvalidOperationError(str(error)) from None
        watched(self._host, self._on_end)

    def _on_end(self, error: HostError | None) -> None:
        if error is not None:
            self._error = self._error or PyTritonInvalidOperationError(str(error))
            _LOG.error("%s", error)
        self._stopped.set()

    def _end(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            host.close()


class RemoteTriton(TritonBase):
    """Binds callables of this process to a server that runs already on this machine, as this user.

    ``url``: the address of its HTTP or gRPC port, such as ``localhost:8000`` or ``grpc://localhost:8001``.
    """

    def __init__(
        self, url: str, workspace: Workspace | str | Path | None = None, access_token: str | None = None
    ) -> None:
        super().__init__(workspace)
        self._daemon = ""
        self._daemon = daemon_at(url)

    def _folder(self) -> str:
        return self._daemon

    def _end(self) -> None:
        for attached in self._attached.values():
            attached.remove()
