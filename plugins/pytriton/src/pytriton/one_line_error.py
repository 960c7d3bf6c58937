"""What the errors of serving and of the clients have in common."""

from __future__ import annotations


class OneLineError(Exception):
    """An error that is one line of text."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)

    @property
    def message(self) -> str:
        """The error in one line."""
        return str(self)
