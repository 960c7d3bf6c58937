"""The Containerfile of an image that serves plugins."""

from __future__ import annotations

import re

import attrs

from pytriton_plugins.config.host_config import DEFAULT_STARTUP_SECONDS
from pytriton_plugins.deploy.common import GROUP, USER
from pytriton_plugins.deploy.images.requirements import Wanted
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line

TRITON_TAG = "26.10"
"""The default release of Triton: the newest one with release notes of NVIDIA when this was written."""

MIN_RELEASE = (26, 6)
"""Older releases have known security flaws; host/triton/version_check.py has the same limit as a server version."""

TRITON_IMAGE = "nvcr.io/nvidia/tritonserver"
BUNDLE_BASE = "python:3.12-slim"
SERVED_FROM = "/srv/pytriton"

SOURCE_DATE = 315532800
"""1980, the first year that a wheel can hold: the date of all files, unless SOURCE_DATE_EPOCH is set.

With it pip's compiled files hold a hash of their source instead of its time, so that two builds give the same files.
"""

_INSTALL = "python3 -m pip --python=/opt/pytriton install --no-cache-dir"
_SECRET = "--mount=type=secret,id=pip.conf,target=/etc/pip.conf"
_TAG = re.compile(r"(?P<year>\d\d)\.(?P<month>\d\d)(?P<variant>-[\w.-]+)?")
_REFERENCE = re.compile(r"[\w.:/@-]+")


@attrs.frozen
class Server:
    """The source of the image's tritonserver: the ``base`` image, or the ``bundle`` that is installed with plugins."""

    base: str
    bundle: bool
    warning: str = ""


@attrs.frozen
class Image:
    """The content of an image. ``config`` is the name of the configuration file in the context, "" for none."""

    server: Server
    framework: tuple[Wanted, ...]
    plugins: tuple[Wanted, ...]
    config: str = ""
    ports: tuple[int, ...] = (8000, 8001, 8002)

    @property
    def name(self) -> str:
        """The name of the first plugin, which is also the image's."""
        return self.plugins[0].name


def read_server(text: str, base: str | None) -> Server:
    """The server that ``--server`` names; ``base`` replaces its image. Raises ConfigError."""
    kind, _, tag = text.partition(":")
    if base is not None and not _REFERENCE.fullmatch(base):
        raise ConfigError(f"--base: invalid image {one_line(repr(base))}: expected NAME:TAG or NAME@sha256:DIGEST")
    if text == "bundle":
        return Server(
            base or BUNDLE_BASE,
            True,
            "the bundled tritonserver has known security flaws: this image is for development and tests",
        )
    if kind != "triton" or (":" in text and not tag):
        raise ConfigError(f"--server: invalid server {one_line(repr(text))}: expected bundle, or triton:{TRITON_TAG}")
    version, at, digest = (tag or TRITON_TAG).partition("@")
    found = _TAG.fullmatch(version)
    if found is None or not _REFERENCE.fullmatch(tag or TRITON_TAG):
        raise ConfigError(
            f"--server: invalid tag {one_line(version)} of {one_line(repr(text))}: expected a release such as "
            f"triton:{TRITON_TAG}"
        )
    is_old = (int(found["year"]), int(found["month"])) < MIN_RELEASE and base is None
    minimum = f"{MIN_RELEASE[0]}.{MIN_RELEASE[1]:02}"
    variant = "" if found["variant"] else "-py3"
    return Server(
        base or f"{TRITON_IMAGE}:{version}{variant}{at}{digest}",
        False,
        f"Triton {version} is older than {minimum} and has known security flaws" if is_old else "",
    )


def containerfile(image: Image) -> str:
    """The text of the Containerfile."""
    return "\n".join([*_head(image), "", *_build_stages(image), "", *_last_stage(image), ""])


def _head(image: Image) -> list[str]:
    lines = [
        "# Written by pytriton-host image. Build it in this folder:",
        f"#   podman build --format docker -t {image.name} .",
        f"#   docker build -f Containerfile -t {image.name} .",
        "# An index that needs a login: --secret id=pip.conf,src=FILE hands pip's configuration to the build alone.",
    ]
    if image.server.bundle:
        lines.append("# For development and tests only: the bundled tritonserver has known security flaws.")
    return [*lines, f"ARG BASE={image.server.base}"]


def _build_stages(image: Image) -> list[str]:
    """One stage for the framework and one on top of it, so that a change of plugins keeps the framework's layer.

    The files that the second adds are found by their time, and copied alone. A RUN in the last stage would be simpler,
    but builders take its layer from their cache although its mounts have changed (buildah 1.28).
    """
    return [
        "# What needs an index, a compiler or build tools stays in these two stages.",
        "FROM ${BASE} AS framework",
        f"ARG SOURCE_DATE_EPOCH={SOURCE_DATE}",
        "USER root",
        "WORKDIR /build",
        "COPY framework ./framework",
        f"RUN {_SECRET} \\",
        "    python3 -m venv --without-pip /opt/pytriton \\",
        f"    && {_INSTALL} \\",
        "    --constraint=framework/constraints.txt --requirement=framework/requirements.txt",
        "",
        "FROM framework AS plugins",
        f"ARG SOURCE_DATE_EPOCH={SOURCE_DATE}",
        "COPY requirements.txt constraints.txt ./",
        *(["COPY plugins ./plugins"] if any(each.path for each in image.plugins) else []),
        f"RUN {_SECRET} \\",
        "    mkdir /added && touch /before \\",
        f"    && {_INSTALL} \\",
        "    --constraint=constraints.txt --requirement=requirements.txt \\",
        "    && cd /opt/pytriton && find . ! -type d -newer /before -exec cp -P --parents -t /added {} +",
    ]


def _last_stage(image: Image) -> list[str]:
    """The layers in the order of change: the rarest first."""
    return [
        "FROM ${BASE}",
        "ARG BASE",
        "COPY --from=framework /opt/pytriton /opt/pytriton",
        "COPY --from=plugins /added /opt/pytriton",
        f"WORKDIR {SERVED_FROM}",
        *([f"COPY {image.config} ./"] if image.config else []),
        *_labels(image),
        "ENV PATH=/opt/pytriton/bin:${PATH} \\",
        "    HOME=/tmp \\",
        "    PYTHONDONTWRITEBYTECODE=1 \\",
        "    PYTHONUNBUFFERED=1 \\",
        "    PYTRITON_HOST_ADDRESS=0.0.0.0",
        f"USER {USER}:{GROUP}",
        f"EXPOSE {' '.join(map(str, image.ports))}",
        "STOPSIGNAL SIGTERM",
        f"HEALTHCHECK --start-period={DEFAULT_STARTUP_SECONDS}s --interval=10s --timeout=5s --retries=3 \\",
        '    CMD ["pytriton-host", "health", "ready"]',
        'ENTRYPOINT ["pytriton-host"]',
        'CMD ["serve"]',
    ]


def _labels(image: Image) -> list[str]:
    """The metadata of the first plugin. There is no date, so that two builds give the same image."""
    about = image.plugins[0].metadata
    values = {"title": image.name, "base.name": "${BASE}"}
    if about is not None:
        license = about.license if len(about.license) <= 80 else ""
        values |= {"version": about.version, "description": about.summary, "licenses": license, "source": about.source}
    labels = [f"org.opencontainers.image.{key}={_quoted(value)}" for key, value in values.items() if value]
    return ("LABEL " + " \\\n      ".join(labels)).splitlines()


def _quoted(value: str) -> str:
    """``value`` in quotes, with everything escaped that the builder would replace, except the base image's name."""
    text = one_line(value)
    if text != "${BASE}":
        text = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{text}"'
