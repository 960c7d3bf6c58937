"""Reads and writes YAML; text in ⟦…⟧ becomes a template of Helm.

A mark that is the whole of a line's key or item becomes a line of its own: ``⟦if X⟧``, ``⟦end⟧``, ``⟦spread X⟧``, which
puts the entries of the value X there, and ``⟦lines X⟧``, which puts the lines there that X gives. As a value,
``⟦block X⟧`` becomes the YAML of X below its key, and ``⟦X⟧`` the value of X.
"""

from __future__ import annotations

import re
from typing import Any

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line

EXTRA = "manifests need PyYAML and tomli-w; install them with: pip install 'pytriton-plugins[deploy]'"
try:
    import yaml
except ImportError:
    raise ConfigError(EXTRA) from None

_MARK = re.compile(r"⟦(.*?)⟧")
_LINE = re.compile(r"^(?P<indent> *)(?:- )?⟦(?P<verb>if|end|spread|lines) ?(?P<value>[^⟧]*?)(?:~\d+)?⟧(?:: null)?$")
_BLOCK = re.compile(r"^(?P<indent> *)(?P<key>(?:- )?[^⟦]+:) ⟦block (?P<value>[^⟧]*)⟧$")


def load(text: str, where: str) -> Any:
    """The value of a YAML text; ConfigError if it is invalid."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: invalid YAML: {one_line(error)}") from None


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines in YAML's block form, if that can hold it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    style = None
    if "\n" in data:
        style = "|" if _fits_a_block(data) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


def _fits_a_block(text: str) -> bool:
    """Whether every parser reads the same text back from YAML's block form."""
    lines = text.split("\n")
    plain = all(line.isprintable() and line == line.rstrip() for line in lines)
    return plain and not text.startswith((" ", "\n")) and not text.endswith("\n\n")


_Dumper.add_representer(str, _represent_text)


def dump(value: Any) -> str:
    """YAML in block style, in the order of the keys."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000))


def template(value: Any) -> str:
    """A template of Helm for ``value`` with its marks."""
    return "\n".join(map(_template_line, dump(value).split("\n")))


def _template_line(line: str) -> str:
    if found := _LINE.match(line):
        indent, verb, source = len(found["indent"]), found["verb"], found["value"]
        if verb == "end":
            return "{{- end }}"
        if verb == "if":
            return f"{{{{- if {source} }}}}"
        if verb == "lines":
            return f"{' ' * indent}{{{{- {source} | nindent {indent} }}}}"
        return f"{{{{- with {source} }}}}\n{{{{- toYaml . | nindent {indent} }}}}\n{{{{- end }}}}"
    if found := _BLOCK.match(line):
        indent = len(found["indent"]) + 2 * (1 + found["key"].startswith("- "))
        return f"{found['indent']}{found['key']}\n{' ' * indent}{{{{- {found['value']} | nindent {indent} }}}}"
    return _MARK.sub(r"{{ \1 }}", line)
