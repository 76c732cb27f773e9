"""Check of topology files: they are read as by a run, and their parameter files are rendered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infomart_dr import topology as topology_module
from infomart_dr.errors import PermanentError, TopologyError
from infomart_dr.hooks import goldengate_parameters
from infomart_dr.topology import Topology


@dataclass(frozen=True)
class Checked:
    """A topology file and its mistakes.

    :param deployment: None when the file could not be read.
    """

    file: Path
    deployment: str | None
    mistakes: tuple[str, ...]


def files_of(path: Path) -> list[Path]:
    """The topology files of a path: the path itself, or the ``*.yaml`` files of a folder.

    :raises TopologyError: the folder has no topology file.
    """
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.yaml"))
    if not files:
        raise TopologyError(f"{path} contains no *.yaml file.", "Name each file <deployment>.yaml.")
    return files


def check(path: Path) -> list[Checked]:
    """Every file of a path, with all its mistakes.

    :param path: a topology file, or a folder of ``<deployment>.yaml`` files.
    :raises TopologyError: the folder has no topology file.
    """
    return [_check(file, in_folder=path.is_dir()) for file in files_of(path)]


def _check(file: Path, *, in_folder: bool) -> Checked:
    try:
        topology = topology_module.read(file)
    except TopologyError as error:
        return Checked(file, None, error.mistakes)
    mistakes = []
    if in_folder and file.stem != topology.name:
        # A run finds the deployment of its parameter by the file's name.
        mistakes.append(f"{file}: deployment: found {topology.name!r}; allowed: {file.stem!r}, the file's name")
    mistakes += [f"{file}: {mistake}" for mistake in _not_rendered(topology)]
    return Checked(file, topology.name, tuple(mistakes))


def _not_rendered(topology: Topology) -> list[str]:
    """Reasons why parameter files cannot be rendered, as far as each site alone shows them."""
    if topology.architecture == "active-active":
        return []
    found = []
    try:
        goldengate_parameters.exclusions(topology.info_mart.release)
    except PermanentError as error:
        found.append(str(error))
    for name, site in topology.sites.items():
        try:
            goldengate_parameters.login_line(site.goldengate)
        except TopologyError as error:
            found.append(f"sites.{name}: {error}")
    return found
