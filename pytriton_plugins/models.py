"""The declaration of a marked callable, for hooks and for tests of plugins."""

from __future__ import annotations

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.infer_func import declaration_of

__all__ = ["ModelDeclaration", "declaration_of"]
