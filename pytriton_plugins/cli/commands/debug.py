"""`pytriton-host debug`: one model's worker in this terminal, without a server; imports plugins in child processes."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import attrs
import click

from pytriton_plugins.cli.commands.infer import split_inputs
from pytriton_plugins.cli.environment import loaded_config, loaded_hooks, only_our_output
from pytriton_plugins.cli.options import config_option
from pytriton_plugins.cli.output.messages import explain
from pytriton_plugins.discovery.references import canonical
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion

if TYPE_CHECKING:
    from pytriton_plugins.cli.infer.client import Result
    from pytriton_plugins.client import ModelInfo
    from pytriton_plugins.config.host_config import HostConfig
    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.hooks.calling import Answer
    from pytriton_plugins.hooks.manager import HookManager
    from pytriton_plugins.host.supervision.records import PluginRecord
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.testing.channel import Answered, Arrays
    from pytriton_plugins.values import ShmPolicy

_EPILOG = """\b
Frequent commands of pdb:
  n    next line     s    step into the call     c    continue
  p x  show x        w    show the stack         q    quit: the request fails
"""


@click.command("debug", epilog=_EPILOG)
@click.argument("model")
@click.argument("inputs", metavar="[NAME=VALUE]...", nargs=-1)
@click.option(
    "--model-version", metavar="N", type=click.IntRange(min=1), help="Version of the model. Default: the newest."
)
@click.option("--repeat", metavar="N", type=click.IntRange(min=1), default=1, help="Send the request N times.")
@click.option(
    "--profile",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, resolve_path=True),
    help="Write a cProfile profile of the worker to FILE.",
)
@click.option("--json", "as_json", is_flag=True, help='Print JSON with "schema": 1.')
@config_option("config")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    model: str,
    inputs: tuple[str, ...],
    model_version: int | None,
    repeat: int,
    profile: str | None,
    as_json: bool,
    **options: object,
) -> int:
    """Run MODEL for one request in this terminal.

    There is no server, and breakpoint() and pdb work. MODEL is a model of an installed plugin, or a TARGET of 'serve':
    model.py, model.py:add, package.model:add. Its worker is the one that 'serve' starts, with the same interpreter,
    settings, hook plugins, shared memory and checks, but without timeouts and with one thread. Values are written as
    for 'infer'. The output of the model, its log and pdb go to standard error, the response to standard output.

    \b
      pytriton-host debug add_sub a=1,2,3 b=4,5,6
      pytriton-host debug model.py x=@input.npy
      pytriton-host debug model.py x=@input.npy --repeat 100 --profile p.prof
      python -m pstats p.prof
    """
    given = split_inputs(inputs)
    if "@-" in given.values():
        raise ConfigError("@-: standard input is in use by pdb; write the name of a file, such as x=@input.npy")
    config = loaded_config(ctx)
    broken: dict[str, str] = {}
    with only_our_output():
        hooks = loaded_hooks(config, broken)
    for line in broken.values():
        explain(f"warning: {line}")
    return _run(DebugTarget(config, hooks, model, model_version), given, repeat, profile or "", as_json)


@attrs.frozen
class DebugTarget:
    """The model that ``text`` names, among those that are configured and installed."""

    config: HostConfig
    hooks: HookManager
    text: str
    version: int | None

    @property
    def is_target(self) -> bool:
        return self.text.endswith(".py") or "/" in self.text or ":" in self.text

    def found(self) -> tuple[ModelReference, ModelDeclaration | None]:
        """The plugin, and the model if it is known already; ConfigError if there is none."""
        from pytriton_plugins.host.supervision.records import find_plugins

        if self.is_target:
            (record,) = find_plugins(attrs.evolve(self.config, targets=(self.text,)), self.hooks)
            return record.reference, None
        records = find_plugins(self.config, self.hooks)
        likely = [record for record in records if canonical(self.text) in map(canonical, record.reference.names)]
        for some in (likely, [record for record in records if record not in likely]):
            if found := self._among(some):
                return found
        # A plugin may fail to import in a child because of a breakpoint() in it.
        others = [each for each in likely if not each.declared]
        for record in [*(each for each in records if self.text in each.declared), *others]:
            return record.reference, None
        return self._not_found(records)

    def _among(self, records: Sequence[PluginRecord]) -> tuple[ModelReference, ModelDeclaration] | None:
        from pytriton_plugins.host.inspection import inspect

        found = [
            (each.reference, model)
            for each in inspect(self.config, self.hooks, records)
            for model in each.models
            if model.name == self.text and self.version in (None, model.version)
        ]
        return max(found, key=lambda pair: pair[1].version, default=None)

    def _not_found(self, records: Sequence[PluginRecord]) -> NoReturn:
        known = sorted({name for record in records for name in record.declared})
        raise ConfigError(
            f"unknown model {one_line(self.text)}{suggestion(self.text, known)}; "
            f"known models: {', '.join(map(one_line, known)) or 'none'}; write one of them, or a file (./model.py)"
        )

    def chosen(self, declared: Sequence[ModelDeclaration], reference: ModelReference) -> ModelDeclaration:
        """The model among those of its plugin; the newest version unless another is given."""
        named = [each for each in declared if self.is_target or each.name == self.text]
        names = {each.name for each in named}
        if len(names) > 1:
            raise ConfigError(
                f"{one_line(self.text)} has several models: {', '.join(sorted(map(one_line, names)))}; "
                f"write one of its callables after a colon, such as {one_line(self.text)}:{named[0].object_name}"
            )
        fits = [each for each in named if self.version in (None, each.version)]
        if not fits:
            existing = ", ".join(f"{one_line(each.name)} version {each.version}" for each in declared)
            model = "" if self.is_target else f"model {one_line(self.text)} "
            version = f"version {self.version}" if self.version else ""
            raise ConfigError(
                f"{reference.label} has no {f'{model}{version}'.strip()}; it has {existing or 'no model'}"
            )
        return max(fits, key=lambda each: each.version)


def _run(target: DebugTarget, given: dict[str, str], repeat: int, profile: str, as_json: bool) -> int:
    from pytriton_plugins.cli.infer.request import build_inputs
    from pytriton_plugins.config.resolver import ModelResolver
    from pytriton_plugins.host.config_parts import launch_settings
    from pytriton_plugins.host.supervision.plugins import enabled
    from pytriton_plugins.host.workers.launching import launch_of, worker_hooks
    from pytriton_plugins.testing.foreground import foreground_worker

    config, hooks = target.config, target.hooks
    settings = launch_settings(config)
    with only_our_output():
        reference, known = target.found()
        launch = launch_of(settings, hooks, reference, known, 1)
    with foreground_worker(launch, reference, profile) as worker:
        model = target.chosen(enabled(ModelResolver(config, hooks), worker.declared()), reference)
        arrays = build_inputs(_as_described(model), given)
        effective = ModelResolver(config, _ConfiguredPolicy()).resolve(model)
        channel = worker.serve(effective, worker_hooks(settings, hooks))
        start = time.monotonic()
        for _ in range(repeat):
            answered = channel.send(arrays)
        seconds = time.monotonic() - start
        worker.finish()
    if repeat > 1:
        explain(f"{repeat} requests, {1000 * seconds / repeat:.3g} ms each")
    if profile:
        explain(f"profile written; see it with 'python -m pstats {profile}'")
    return _show(model, answered, as_json)


def _as_described(model: ModelDeclaration) -> ModelInfo:
    """The model as a server describes it."""
    from pytriton_plugins.client import ModelInfo, TensorInfo

    inputs = [TensorInfo(each.name, each.dtype.triton, each.wire_shape, each.optional) for each in model.inputs]
    return ModelInfo(model.name, tuple(inputs), (), model.max_batch_size, model.streams)


class _ConfiguredPolicy:
    """No hook plugin is asked for a policy: this process is the backend, and has its own segments."""

    def choose_shm_policy(self, model: ModelDeclaration, default: ShmPolicy) -> Answer[ShmPolicy]:
        from pytriton_plugins.hooks.calling import Answer

        return Answer(default, "")


def _show(model: ModelDeclaration, answered: Answered, as_json: bool) -> int:
    """Print the responses; exit code 1 for an error, with the message that a client would get."""
    from pytriton_plugins.cli.infer.result import print_result, to_json

    (outcome,) = answered.outcomes
    whole = [outcome] if isinstance(outcome, dict) and not model.streams else []
    for outputs in answered.parts or whole:
        result = _result(model, outputs)
        if as_json:
            click.echo(json.dumps(to_json(result), indent=None if model.streams else 2))
        else:
            print_result(result)
    if isinstance(outcome, dict):
        return 0
    explain(f"the request failed ({outcome.code}): {outcome.message}")
    return 1


def _result(model: ModelDeclaration, outputs: Arrays) -> Result:
    from pytriton_plugins.cli.infer.client import Output, Result

    shown = [
        Output(each.name, each.dtype.triton, outputs[each.name].shape, outputs[each.name])
        for each in model.outputs
        if each.name in outputs
    ]
    return Result(model.name, str(model.version), tuple(shown))
