"""Messages about mistyped commands and options, with the names that were likely meant."""

from __future__ import annotations

import click

from pytriton_plugins.text import one_line


class SuggestingGroup(click.Group):
    """A group whose message about an unknown command suggests similar ones."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not (ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name)):
            from pytriton_plugins.text.suggestions import suggestion

            ctx.fail(f"unknown command {one_line(name, 60)}{suggestion(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


def usage_message(error: click.UsageError) -> str:
    """The message of ``error`` on one line, without a full stop."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        from pytriton_plugins.text.suggestions import suggestion

        parameters = error.ctx.command.get_params(error.ctx)
        known = [name for each in parameters for name in (*each.opts, *each.secondary_opts) if name.startswith("-")]
        return f"unknown option {one_line(error.option_name, 60)}{suggestion(error.option_name, known)}"
    return " ".join(error.format_message().split()).rstrip(".")
