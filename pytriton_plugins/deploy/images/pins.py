"""The exact versions for an image: those that are installed here."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from pytriton_plugins.deploy.images.requirements import Wanted, of_distribution, origin, required_by
from pytriton_plugins.discovery.entry_points import installed_distribution


@attrs.frozen
class Pins:
    """``versions`` by name, and one line for each distribution that the image may get in another version."""

    versions: dict[str, str]
    warnings: tuple[str, ...]

    def text(self) -> str:
        """As a constraints file."""
        return "".join(f"{name}=={version}\n" for name, version in sorted(self.versions.items()))


class _Walk:
    """Visits all dependencies of some requirements, each distribution once for each set of extras."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        self._wanted = {each.name: each for each in wanted}
        self._seen: set[tuple[str, frozenset[str]]] = set()
        self.versions: dict[str, str] = {}
        self.warnings: dict[str, str] = {}
        for each in self._wanted.values():
            self.visit(each.name, each.extras)

    def visit(self, name: str, extras: frozenset[str]) -> None:
        if (name, extras) in self._seen:
            return
        self._seen.add((name, extras))
        given = self._wanted.get(name)
        if given is not None and given.path is not None:
            metadata = given.metadata
        else:
            found = installed_distribution(name)
            if found is None:
                self.warnings[name] = f"{name} is not installed here: the image gets the version that pip finds"
                return
            metadata = of_distribution(found)
            self._pin(name, metadata.version, given, origin(found))
        if metadata is not None:
            for requirement in required_by(metadata, extras):
                self.visit(str(canonicalize_name(requirement.name)), frozenset(requirement.extras))

    def _pin(self, name: str, version: str, given: Wanted | None, url: str) -> None:
        if given is not None and given.url:
            return  # the URL itself has a version
        if given is not None and not SpecifierSet(given.specifier).contains(version, prereleases=True):
            self.warnings[name] = (
                f"{name} {version} is installed here, not {given.text}: the image gets the version that pip finds"
            )
            return
        self.versions[name] = version
        if url:
            self.warnings[name] = (
                f"{name} {version} was installed from {url}: the image gets it from an index, unless --install names "
                "that URL"
            )


def pinned(wanted: Iterable[Wanted]) -> Pins:
    """The versions of all that ``wanted`` needs, except distributions from local paths."""
    walk = _Walk(wanted)
    return Pins(walk.versions, tuple(walk.warnings[name] for name in sorted(walk.warnings)))
