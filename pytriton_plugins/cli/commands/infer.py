"""`pytriton-host infer`: one request to a running server, built from the model's metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from pytriton_plugins.cli import completion as completing
from pytriton_plugins.cli.control_options import host_choice, json_option
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from pytriton_plugins.cli.infer.address import Locator

_EPILOG = """\b
VALUE is one of
  1,2,3         numbers, true and false; plain text for a BYTES input
  '[[1, 2]]'    JSON, for several dimensions or several texts
  @file, @-     a file or standard input: its bytes for a BYTES input,
                an array in .npy format for all others
"""


@click.command("infer", epilog=_EPILOG)
@click.argument("model", shell_complete=completing.models)
@click.argument("inputs", metavar="[NAME=VALUE]...", nargs=-1, shell_complete=completing.inputs)
@click.option(
    "--url",
    metavar="URL",
    envvar="PYTRITON_HOST_URL",
    show_envvar=True,
    help="Server: grpc://HOST:PORT, http://HOST:PORT or HOST:PORT. Default: the running daemon of this user, or "
    "localhost:8001 for gRPC and localhost:8000 for HTTP.",
)
@click.option(
    "--protocol",
    type=click.Choice(["grpc", "http"]),
    envvar="PYTRITON_HOST_PROTOCOL",
    show_envvar=True,
    help="Protocol. Default: as in the URL, or grpc.",
)
@click.option(
    "--wait",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Longest wait for the server to be ready. Default: no wait.",
)
@click.option("--model-version", metavar="N", default="", help="Version of the model. Default: the newest.")
@json_option
@host_choice
@click.pass_context
def command(
    ctx: click.Context,
    /,
    model: str,
    inputs: tuple[str, ...],
    wait: float,
    model_version: str,
    as_json: bool,
    **_: object,
) -> None:
    """Send one request to MODEL and show the response.

    Names, dtypes and shapes of the model's inputs come from the server; a missing batch axis is added. Responses of a
    model that streams are shown one by one, with --json as one object a line. For a model with state the request is a
    sequence of its own.

    \b
      pytriton-host infer add_sub a=1,2,3 b=4,5,6
      pytriton-host infer file_type content=@photo.jpg --json
    """
    given = split_inputs(inputs)
    from pytriton_plugins.cli.infer.client import connect
    from pytriton_plugins.cli.infer.request import build_inputs
    from pytriton_plugins.cli.infer.result import print_result, to_json

    if model_version and not model_version.isdigit():
        raise ConfigError(f"--model-version: invalid version {one_line(repr(model_version))}: expected a whole number")
    with connect(_locator(ctx), wait) as client:
        described = client.model(model, model_version)
        arrays = build_inputs(described, given)
        if described.streams:
            for result in client.stream(described, model_version, arrays):
                click.echo(json.dumps(to_json(result))) if as_json else print_result(result)
            return
        result = client.infer(described, model_version, arrays)
    if as_json:
        click.echo(json.dumps(to_json(result), indent=2))
    else:
        print_result(result)


def _locator(ctx: click.Context) -> Locator:
    from pytriton_plugins.cli.infer.address import Given, Locator

    given: dict[str, Given | None] = {}
    typed = {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    for option in ("url", "protocol"):
        source = f"--{option}" if option in typed else f"PYTRITON_HOST_{option.upper()}"
        given[option] = Given(ctx.params[option], source, option in typed) if ctx.params[option] else None
    # An option overrides a variable: a URL overrides a folder, a daemon overrides a URL.
    if "url" not in typed and typed & {"run_dir", "pid"}:
        given["url"] = None
    run_dir = ctx.params["run_dir"] if "run_dir" in typed or not given["url"] else None
    return Locator(given["url"], given["protocol"], run_dir, ctx.params["pid"])


def split_inputs(texts: tuple[str, ...]) -> dict[str, str]:
    """``NAME=VALUE`` texts by name; ConfigError for one without ``=`` and for a name given twice."""
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"invalid input {one_line(repr(text), 80)}: expected NAME=VALUE, such as a=1,2,3")
        if name in given:
            raise ConfigError(f"input {one_line(name)} is given twice; write several values as {one_line(name)}=1,2,3")
        given[name] = value
    return given
