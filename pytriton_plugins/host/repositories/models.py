"""Keeps the models of repositories loaded, each ensemble after the models that it names."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pytriton_plugins.errors import ServerError, ServerGone
from pytriton_plugins.host.repositories.found import FoundModel, FoundRepository, names_of
from pytriton_plugins.host.repositories.model import UNLOADED, RepositoryModel
from pytriton_plugins.host.tasks import background, discard
from pytriton_plugins.host.timeouts import within
from pytriton_plugins.values import ModelStatus, NamedVerdict, Verdict

if TYPE_CHECKING:
    from pytriton_plugins.host.repositories.context import RepositoryContext
    from pytriton_plugins.host.repositories.loading import RepositoryLoader
    from pytriton_plugins.host.triton.server import TritonServer
    from pytriton_plugins.model.declaration import ModelDeclaration

_LOG = logging.getLogger("pytriton.host")
POLL_INTERVAL = 1.0
"""Seconds between two looks at Triton's own list of models when nothing changes."""

_SHARED_INTERVAL = 0.3
"""The same where clients may change them."""

_ANSWER_TIMEOUT = 5.0


class Broken(NamedTuple):
    """A repository, or a model of one, that cannot be read: one row of the table."""

    model: str
    """Its name; "" for a whole repository."""
    plugin: str
    label: str
    required: bool
    error: str

    @property
    def subject(self) -> str:
        """What messages call it."""
        return f"model {self.model}" if self.model else f"repository {self.label}"


class RepositoryModels:
    """The repositories and their models by name. The daemon starts it when all plugins are imported."""

    def __init__(self, host: RepositoryContext, loader: RepositoryLoader, *, shared: bool) -> None:
        """``shared``: clients may load and unload models as well."""
        self.repositories: Sequence[FoundRepository] = ()
        self.models: dict[str, RepositoryModel] = {}
        self.loader = loader
        self._host = host
        self._shared = shared
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        self._changes: Counter[str] = Counter()
        """How often a model of that name was loaded or unloaded."""
        self._loads: dict[str, asyncio.Task[None]] = {}
        """The loads that run, or wait for another change of that name."""

    def use(self, repositories: Sequence[FoundRepository]) -> None:
        """Serve the models of ``repositories``."""
        self.repositories = repositories
        found = (model for each in repositories for model in each.models if not model.error)
        self.models = {model.name: RepositoryModel(model, self._host.served) for model in found}

    def put(self, found: FoundModel) -> RepositoryModel:
        """The model as it is in its folder by now: one more, one that could not be read before, or a known one."""
        known = [each for each in self.repositories if each.reference == found.reference]
        if not known:  # its distribution was installed meanwhile
            self.repositories = [*self.repositories, FoundRepository(found.reference, (found,))]
        self.repositories = [each.with_model(found) if each in known else each for each in self.repositories]
        model = self.models.get(found.name)
        if model is None:
            model = self.models[found.name] = RepositoryModel(found, self._host.served)
            model.take_out(UNLOADED)
        return model

    @property
    def names(self) -> set[str]:
        """Every name that the configuration may have for a model or a repository."""
        return names_of(self.repositories)

    def begin(self) -> None:
        """Load the models, and keep them loaded until `close`."""
        if self._task is None and self.models:
            self._task = background(self._keep())

    def close(self) -> None:
        """Change nothing any more."""
        discard(self._task, *self._loads.values())

    @contextlib.asynccontextmanager
    async def changing(self, name: str) -> AsyncIterator[None]:
        """Held while a model of that name is loaded or unloaded."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            try:
                yield
            finally:
                self._changes[name] += 1

    def wake(self) -> None:
        """Look now: a model that an ensemble names may serve, or serve no longer."""
        self._wake.set()

    async def settle(self) -> None:
        """Return when every model serves or has a reason that does not pass by itself."""
        self.begin()
        while self.models:
            server = await self._host.current_server.get()
            try:
                await self._look(server)
                while self._loads:
                    await asyncio.wait([*self._loads.values()])
                    await self._look(server)
                return
            except ServerError:
                await server.ends_soon()

    def server_ended(self) -> None:
        """The next server gets all of them."""
        for model in self.models.values():
            model.server_ended()

    def give_up(self, name: str, reason: str) -> None:
        """A plugin has a model of that name, so neither is served."""
        model = self.models[name]
        model.fail(reason, refused=True)
        model.ready = ()

    def verdicts(self) -> list[NamedVerdict]:
        """One for each required repository and model."""
        broken = [NamedVerdict(each.subject, Verdict(False, each.error)) for each in self.broken() if each.required]
        required = (model for model in self.models.values() if model.required and not model.unloaded)
        statuses = (status for model in required for status in model.statuses())
        return broken + [NamedVerdict(f"model {each.name}", Verdict(each.ready, each.reason)) for each in statuses]

    def nodes(self) -> list[ModelDeclaration]:
        """All versions in the graph of calls."""
        return [node for model in self.models.values() for node in model.found.nodes()]

    def statuses(self) -> Iterator[ModelStatus]:
        """One for each version of each model."""
        return (status for _, model in sorted(self.models.items()) for status in model.statuses())

    def broken(self) -> Iterator[Broken]:
        """The repositories and models that cannot be read."""
        for each in self.repositories:
            if each.error:
                yield Broken("", each.reference.plugin, each.reference.label, each.required, each.error)
            for model in each.models:
                if model.error:
                    reference = model.reference
                    yield Broken(model.name, reference.plugin, reference.label, model.required, model.error)

    def ready(self) -> list[RepositoryModel]:
        """Those that can be called."""
        return [model for model in self.models.values() if not model.why_not()]

    def loading(self) -> Collection[str]:
        """The names of those that are on their way."""
        return [model.name for model in self.models.values() if model.is_awaited]

    async def _keep(self) -> None:
        while True:
            self._wake.clear()
            server = await self._host.current_server.get()
            try:
                await self._look(server)
            except ServerGone:
                await server.ends_soon()
            except ServerError as error:
                _LOG.warning("the models of repositories cannot be looked at: %s", error)
            except Exception:  # without this task no model of a repository would be loaded again
                _LOG.exception("internal error in the look at the models of repositories")
            with contextlib.suppress(TimeoutError):
                await within(self._wake.wait(), _SHARED_INTERVAL if self._shared else POLL_INTERVAL)

    async def _look(self, server: TritonServer) -> None:
        """Take over what Triton says, and begin to load what can be; raises ServerError without an answer."""
        changes = {name: self._changes[name] for name in self.models if not self._is_changing(name)}
        states = await server.control.states(_ANSWER_TIMEOUT)
        seen = [
            self.models[name].see(states, shared=self._shared)
            for name, count in changes.items()
            if not self._is_changing(name) and count == self._changes[name]  # else the answer may be older than that
        ]
        for model in self.models.values():
            if model.wants_load and model.name not in self._loads:
                self._loads[model.name] = background(self._load_alone(model, server))
        if any(seen):
            self._host.changed()

    def _is_changing(self, name: str) -> bool:
        return name in self._locks and self._locks[name].locked()

    async def _load_alone(self, model: RepositoryModel, server: TritonServer) -> None:
        try:
            async with self.changing(model.name):
                if model.wants_load:
                    await self.load(model, server)
        except ServerGone:
            self.wake()  # the next server gets it
            return
        finally:
            del self._loads[model.name]
        self._host.changed()

    async def load(self, model: RepositoryModel, server: TritonServer) -> None:
        """Load the model, which the caller is `changing`. Its error says why not. Raises ServerGone."""
        try:
            await self.loader.load(model.found, server)
            model.ready = model.found.versions
        except ServerGone:
            raise
        except ServerError as error:
            if not model.why_steps_are_not_loaded():  # else it is loaded when they are back
                model.fail(str(error))
        except Exception:
            _LOG.exception("model %s: internal error in its load", model.name)
            model.fail("internal error in its load; report it with the traceback in the log")
