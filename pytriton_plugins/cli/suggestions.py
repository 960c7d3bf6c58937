"""Names that were mistyped on the command line: what was meant; any command."""

from __future__ import annotations

import click


class SuggestingGroup(click.Group):
    """A group that says which of its commands was meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not (ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name)):
            from pytriton_plugins.text.suggestions import suggestion

            ctx.fail(f"No such command {name!r}{suggestion(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


def usage_message(error: click.UsageError) -> str:
    """What was wrong with the command line, on one line without a full stop."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        from pytriton_plugins.text.suggestions import suggestion

        parameters = error.ctx.command.get_params(error.ctx)
        known = [name for each in parameters for name in (*each.opts, *each.secondary_opts) if name.startswith("-")]
        return f"No such option {error.option_name!r}{suggestion(error.option_name, known)}"
    return " ".join(error.format_message().split()).rstrip(".")
