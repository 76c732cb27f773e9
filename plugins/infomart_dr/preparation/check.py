"""Topology files, checked as a run would read them, and as far as their parameter files can be rendered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infomart_dr import topology as topology_module
from infomart_dr.errors import PermanentError, TopologyError
from infomart_dr.hooks import goldengate_parameters
from infomart_dr.topology import Topology


@dataclass(frozen=True)
class Checked:
    """A topology file and what is wrong with it.

    :param deployment: None when the file could not be read.
    """

    file: Path
    deployment: str | None
    mistakes: tuple[str, ...]


def files_of(path: Path) -> list[Path]:
    """The topology files that a path stands for: itself, or the ``*.yaml`` of a folder.

    :raises TopologyError: a folder without one.
    """
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.yaml"))
    if not files:
        raise TopologyError(f"{path} holds no *.yaml file.", "Name each file <deployment>.yaml.")
    return files


def check(path: Path) -> list[Checked]:
    """Every file behind a path, with all its mistakes.

    :param path: a topology file, or a folder of ``<deployment>.yaml`` files.
    :raises TopologyError: a folder without topology files.
    """
    return [_check(file, in_folder=path.is_dir()) for file in files_of(path)]


def _check(file: Path, *, in_folder: bool) -> Checked:
    try:
        topology = topology_module.read(file)
    except TopologyError as error:
        return Checked(file, None, error.mistakes)
    mistakes = []
    if in_folder and file.stem != topology.name:
        # The parameter deployment of a run is looked for by the file's name.
        mistakes.append(f"{file}: deployment: found {topology.name!r}; allowed: {file.stem!r}, as the file's name")
    mistakes += [f"{file}: {mistake}" for mistake in _not_rendered(topology)]
    return Checked(file, topology.name, tuple(mistakes))


def _not_rendered(topology: Topology) -> list[str]:
    """What keeps GoldenGate's parameter files from being rendered; the pump's needs a pair, and is left out."""
    if topology.architecture == "active-active":
        return []
    found = []
    for name in topology.sites:
        for render in (goldengate_parameters.render_extract, goldengate_parameters.render_replicat):
            try:
                render(topology, name)
            except PermanentError as error:
                site = "" if "exclusion list" in error.what else f"sites.{name}: "
                found.append(f"{site}{error}")
    return list(dict.fromkeys(found))
