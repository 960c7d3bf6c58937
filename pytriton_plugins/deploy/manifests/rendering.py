"""Objects with their values in them, a file each; runs in the called process."""

from __future__ import annotations

from collections.abc import Iterable

from pytriton_plugins.deploy.manifests.knobs import Knob
from pytriton_plugins.deploy.manifests.kubernetes import Kind
from pytriton_plugins.deploy.manifests.plan import Plan, check_grace
from pytriton_plugins.deploy.manifests.values import Rendered
from pytriton_plugins.deploy.manifests.yaml_text import dump


def rendered(kinds: Iterable[Kind], plan: Plan, knobs: Iterable[Knob], name: str) -> dict[str, str]:
    """The text of each object whose condition holds, by the name of its file."""
    values = Rendered(name, {knob.name: knob.default for knob in knobs})
    check_grace(values["gracePeriod"], values["drainDelay"], values["drainTimeout"])
    here = [kind for kind in kinds if not kind.condition or values.is_on(kind.condition)]
    return {f"{kind.file}.yaml": dump(kind.make(plan, values)) for kind in here}
