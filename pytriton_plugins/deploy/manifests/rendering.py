"""Objects with their values in them, a file each; runs in the called process."""

from __future__ import annotations

from collections.abc import Iterable

from pytriton_plugins.config.host_config import check_drain
from pytriton_plugins.deploy.manifests.kubernetes import Kind
from pytriton_plugins.deploy.manifests.plan import Plan
from pytriton_plugins.deploy.manifests.sizing import SHARED, quantity, size_of
from pytriton_plugins.deploy.manifests.values import Rendered
from pytriton_plugins.deploy.manifests.values_schema import Knob
from pytriton_plugins.deploy.manifests.yaml_text import dump
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.values import Drain


def check(plan: Plan, values: Rendered) -> None:
    """ConfigError for values that do not go together; the chart has the same checks."""
    drain = Drain(values["drainDelay"], values["drainTimeout"], values["gracePeriod"])
    check_drain(drain, "raise --grace-period or --set gracePeriod")
    least, most = values["autoscaling.minReplicas"], values["autoscaling.maxReplicas"]
    if least > most:
        raise ConfigError(
            f"autoscaling.minReplicas ({least}) is more than autoscaling.maxReplicas ({most}); raise that"
        )
    shared = values[SHARED]
    if size_of(shared) < plan.shm_initial:
        raise ConfigError(
            f"{SHARED} ({shared}) is less than what the models begin with ({quantity(plan.shm_initial)}); raise "
            "--shm-total or lower --shm-initial"
        )


def rendered(kinds: Iterable[Kind], plan: Plan, knobs: Iterable[Knob], name: str, version: str) -> dict[str, str]:
    """The text of each object whose condition holds, by the name of its file; ``version`` is the framework's."""
    values = Rendered(name, {knob.name: knob.default for knob in knobs}, version)
    check(plan, values)
    here = [kind for kind in kinds if not kind.condition or values.is_on(kind.condition)]
    return {f"{kind.file}.yaml": dump(kind.make(plan, values)) for kind in here}
