"""Shell completion of values: models of the running daemon, their inputs, plugins. It is silent, and quick."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import click

VARIABLE = "_PYTRITON_HOST_COMPLETE"
"""Set by click's script for the shell when it asks for completions."""

_ANSWER_TIMEOUT = 0.1
"""Seconds for a daemon to answer: a daemon that hangs must not delay the user who types."""

Complete = Callable[[click.Context, click.Parameter, str], list[Any]]


def is_completing() -> bool:
    """Whether a shell asks for completions."""
    return VARIABLE in os.environ


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drops what is printed or logged meanwhile: it would appear in the line that the user types."""
    import logging

    logging.disable()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def use_own_script() -> None:
    """Replace click's script for bash, which adds a blank after each value, also after ``NAME=``."""
    from click.shell_completion import BashComplete, add_completion_class

    class Bash(BashComplete):
        source_template = BashComplete.source_template.replace(
            "COMPREPLY+=($value)\n",
            "COMPREPLY+=($value)\n            [[ $value == *= ]] && compopt -o nospace\n",
        )

    add_completion_class(Bash)


def one_of(values: Sequence[str]) -> Complete:
    """Offers ``values``, each once where an option is repeatable."""
    return _offering(lambda ctx: values)


def _offering(values: Callable[[click.Context], Iterable[str]]) -> Complete:
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        with contextlib.suppress(Exception), quiet():
            given = ctx.params.get(param.name or "") or ()
            known = dict.fromkeys(values(ctx))
            return [value for value in known if value.startswith(incomplete) and value not in given]
        return []

    return complete


def _served(ctx: click.Context) -> list[dict[str, Any]]:
    """The models of every daemon that the options leave."""
    if ctx.params.get("url"):
        return []
    from pytriton_plugins.host.control.client import find_hosts

    models = []
    for host in find_hosts(ctx.params.get("run_dir"), ctx.params.get("pid"), _ANSWER_TIMEOUT):
        with contextlib.suppress(Exception):
            models += host.ask({"command": "summary"}, _ANSWER_TIMEOUT)["models"]
        host.close()
    return models


def _models(ctx: click.Context) -> Iterator[str]:
    return (str(each["model"]) for each in _served(ctx))


def _plugins(ctx: click.Context) -> list[str]:
    from pytriton_plugins.discovery.entry_points import find_hooks, find_models, find_repositories

    return [each.plugin for each in (*find_models(), *find_hooks(), *find_repositories())]


def _model_plugins(ctx: click.Context) -> list[str]:
    from pytriton_plugins.discovery.entry_points import find_models, find_repositories

    return [each.plugin for each in (*find_models(), *find_repositories())]


models = _offering(_models)
"""The models of the running daemon."""


def models_and_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """The models of the running daemon, and files where no model begins like that."""
    from click.shell_completion import CompletionItem

    found = models(ctx, param, incomplete)
    return found or ([CompletionItem(incomplete, type="file")] if incomplete else [])


plugins = _offering(_plugins)
"""The plugins that are installed here, of models and of hooks."""

model_plugins = _offering(_model_plugins)

models_and_plugins = _offering(lambda ctx: [*_models(ctx), *_model_plugins(ctx)])


def inputs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """``NAME=`` for each input of the model that is not given yet; no completion of values."""
    given = _names(ctx.params.get(param.name or "") or ())
    if given is None or "=" in incomplete:
        return []
    with contextlib.suppress(Exception), quiet():
        every = [name for each in _served(ctx) if each["model"] == ctx.params["model"] for name in each["inputs"]]
        return [f"{name}=" for name in dict.fromkeys(every) if name.startswith(incomplete) and name not in given]
    return []


def _names(texts: Sequence[str]) -> set[str] | None:
    """The inputs that ``texts`` name; None where a value comes next. Bash splits ``a=1`` into three words."""
    names = set()
    words = list(texts)
    while words:
        name, equals, _ = words.pop(0).partition("=")
        names.add(name)
        if equals:
            continue
        if words[:1] != ["="] or len(words) == 1:
            return None
        del words[:2]
    return names
