"""Loads models of repositories into Triton and unloads them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytriton_plugins.errors import ServerError, ServerGone
from pytriton_plugins.host.repositories.folders import CONFIG, check_links
from pytriton_plugins.host.supervision.loader import RELOADED
from pytriton_plugins.host.triton.repository import MODEL_NUMBERS, plain_config, write_config
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.ensemble import pack_ensemble
from pytriton_plugins.shm.wire import LinkKind, LinkMessage
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from pytriton_plugins.host.repositories.found import FoundModel, Step
    from pytriton_plugins.host.triton.server import TritonServer

_LOG = logging.getLogger("pytriton.host")
_POLL_INTERVAL = 0.02
"""Seconds between two looks whether Triton has released a model."""

_ANSWER_TIMEOUT = 5.0
_FULL = (errno.ENOSPC, errno.EDQUOT)
_STAND_IN = (Tensor("none", "uint8", (1,)),)


class RepositoryLoader:
    """Gives Triton each model by links in the daemon's own repository, so it sees none that was not checked.

    The model's folder there is the daemon's: Triton cannot list its models while one of the folders is gone.
    """

    def __init__(self, folder: Path, timeout: float) -> None:
        """``folder``: the repository that tritonserver was started with; ``timeout``: seconds of one load."""
        self._folder = folder
        self._timeout = timeout
        self._ensembles: dict[str, Sequence[int]] = {}
        """The versions of ensembles that a backend has been told of, by name."""

    async def load(self, found: FoundModel, server: TritonServer, *, again: int = 0) -> None:
        """Load the model; raises ServerError with why not, ServerGone if the server ends.

        ``again``: the number of the reload of a model that is loaded: Triton passes over a load of what it has.
        """
        config = {**found.triton_config, "version_policy": _only(found.versions)}  # more may have come into the folder
        if again:
            config["parameters"] = {**config.get("parameters", {}), RELOADED: {"string_value": str(again)}}
        self._link(found, await asyncio.to_thread(_children, found))
        write_config(self._folder, found.name, config)
        try:
            await self._tell(found.name, found.versions if found.steps else (), found.steps, server)
            await server.load(found.name, config, self._timeout)
        except ServerGone:
            raise
        except ServerError as error:
            if not again:
                await self._undo(found, server)
            raise ServerError(str(error).replace("; correct triton_config", "; correct config.pbtxt")) from None
        _LOG.info("model %s of repository %s: serving", found.name, found.reference.label)

    async def unload(self, name: str, server: TritonServer) -> None:
        """Unload the model, and wait until its last request has ended; raises ServerError."""
        await server.control.unload(name, timeout=self._timeout)
        await self._tell(name, (), (), server)
        until = asyncio.get_running_loop().time() + self._timeout
        while await _is_held(name, server):
            if asyncio.get_running_loop().time() > until:
                raise ServerError(f"model {name}: Triton did not release it within {self._timeout:g} s")
            await asyncio.sleep(_POLL_INTERVAL)

    def unlink(self, name: str) -> None:
        """Have Triton see the model no longer: a plugin may have its name from now on."""
        shutil.rmtree(self._folder / name, ignore_errors=True)  # links are removed, and not followed

    async def _tell(self, name: str, versions: Sequence[int], steps: Sequence[Step], server: TritonServer) -> None:
        """Tell the backend what the versions of an ensemble contain; it finds calls that wait for themselves."""
        plain = [(step.model, step.version or -1) for step in steps]
        gone = [each for each in self._ensembles.pop(name, ()) if each not in versions]
        for version in (*gone, *versions):
            payload = pack_ensemble(name, version, () if version in gone else plain)
            await server.link.ask(LinkMessage(LinkKind.ENSEMBLE, payload=payload))
        if versions:
            self._ensembles[name] = versions

    def _link(self, found: FoundModel, children: Iterable[Path]) -> None:
        path = self._folder / found.name
        with self._changes_folder():
            self.unlink(found.name)
            path.mkdir()
            for each in children:
                (path / each.name).symlink_to(each)

    @contextlib.contextmanager
    def _changes_folder(self) -> Iterator[None]:
        """Raises ServerError for an OSError."""
        try:
            yield
        except OSError as error:
            remedy = "make room there" if error.errno in _FULL else "restart the daemon"
            raise ServerError(f"it cannot be linked into {self._folder}: {error.strerror}; {remedy}") from None

    async def _undo(self, found: FoundModel, server: TritonServer) -> None:
        try:
            await self._forget(found, server)
        except ServerGone:
            raise
        except ServerError as error:
            _LOG.error("model %s: its failed load cannot be undone, so Triton is not ready: %s", found.name, error)

    async def _forget(self, found: FoundModel, server: TritonServer) -> None:
        """Undo a failed first load, which would hold Triton's readiness at 400: load an empty model, and unload it."""
        with self._changes_folder():
            self.unlink(found.name)
            for version in found.versions:
                (self._folder / found.name / str(version)).mkdir(parents=True, exist_ok=True)
        for version in found.versions:
            stand_in = _stand_in(found.name, version)
            await server.declare(next(MODEL_NUMBERS), pack_declaration(stand_in, wait=0, largest_response=0))
        config: dict[str, Any] = plain_config(_stand_in(found.name, found.versions[-1]))
        config["version_policy"] = _only(found.versions)
        await self._tell(found.name, (), (), server)
        await server.forget(found.name, config, self._timeout)


def _children(found: FoundModel) -> list[Path]:
    """What is in the model's folder by now, but its configuration, which the daemon writes; raises ServerError."""
    try:
        check_links(found.folder, found.folder.parent)
        return [each for each in found.folder.absolute().iterdir() if each.name != CONFIG]
    except OSError as error:
        reason = f"{error.strerror}; restore it, or correct its permissions"
        raise ServerError(f"its folder {one_line(found.folder)} cannot be read: {reason}") from None


def _only(versions: Sequence[int]) -> dict[str, Any]:
    return {"specific": {"versions": list(versions)}}


async def _is_held(name: str, server: TritonServer) -> bool:
    states = await server.control.states(_ANSWER_TIMEOUT)
    return any(model == name and state in ("READY", "UNLOADING") for (model, _), state in states.items())


def _stand_in(name: str, version: int) -> ModelDeclaration:
    return ModelDeclaration(name, version, "function", name, _STAND_IN, _STAND_IN)
