"""Finding and reading topology files."""

from __future__ import annotations

import os
import re
from pathlib import Path

import yaml
from pydantic import ValidationError

from infomart_dr.errors import RequestError, TopologyError
from infomart_dr.text import NAME
from infomart_dr.topology.mistakes import doubles, kind_of, mistakes_of
from infomart_dr.topology.topology import Topology

#: Environment variable with the topology file, or with a folder of ``<deployment>.yaml`` files.
PATH_VARIABLE = "INFOMART_DR_TOPOLOGY"


def parse(text: str, path: Path) -> Topology:
    """Read a topology from text.

    :param text: YAML.
    :param path: file name for the messages.
    :raises TopologyError: with every mistake, one per line.
    """
    document = _document(text, path)
    if not isinstance(document, dict):
        raise TopologyError(
            f"{path}: found {kind_of(document)}; allowed: a mapping that begins with deployment.",
            "Start from docs/examples/topology.yaml.",
        )
    try:
        return Topology.model_validate(document)
    except ValidationError as error:
        raise _refused(mistakes_of(path, error)) from None


def _document(text: str, path: Path) -> object:
    # Each step reads the file: libyaml does it several times as fast, and the other loader has the readable messages.
    if (fast := getattr(yaml, "CSafeLoader", None)) is not None:
        try:
            return _loaded(fast(text), path)
        except (yaml.YAMLError, ValueError, RecursionError):
            pass
    return _loaded_or_told(text, path)


def _loaded(loader: yaml.SafeLoader, path: Path) -> object:
    try:
        root = loader.get_single_node()
        if twice := doubles(root):
            raise _refused([f"{path}, {line}" for line in twice])
        return loader.construct_document(root) if root is not None else None
    finally:
        loader.dispose()


def _loaded_or_told(text: str, path: Path) -> object:
    try:
        return _loaded(yaml.SafeLoader(text), path)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
        if problem.startswith("but ") and (context := getattr(error, "context", None)):
            problem = f"{context}, {problem}"
        raise TopologyError(f"{path}{where}: not YAML: {problem}.", "Correct the file.") from None
    except (ValueError, RecursionError) as error:
        # A date that does not exist, or brackets without an end.
        raise TopologyError(f"{path}: not YAML: {str(error)[:200]}.", "Correct the file.") from None


def _refused(mistakes: list[str]) -> TopologyError:
    return TopologyError(
        f"The topology has {len(mistakes)} mistake(s):\n" + "\n".join(f"  {each}" for each in mistakes),
        "Correct the file; docs/topology.md describes each field.",
        mistakes=mistakes,
    )


def read(path: Path) -> Topology:
    """Read a topology from a file.

    :raises TopologyError: the file cannot be read, or is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TopologyError(
            f"{path}: cannot be read: {error.strerror}.", f"Set {PATH_VARIABLE} to a readable file."
        ) from None
    except UnicodeDecodeError as error:
        raise TopologyError(f"{path}: not UTF-8: {error.reason} at byte {error.start}.", "Correct the file.") from None
    return parse(text, path)


def topology_folder() -> Path:
    """The topology file, or the folder of several.

    :raises TopologyError: the variable is not set.
    """
    value = os.environ.get(PATH_VARIABLE)
    if not value:
        raise TopologyError(
            f"{PATH_VARIABLE} is not set.",
            f"Set {PATH_VARIABLE} to the topology file, or to a folder of <deployment>.yaml files, "
            "in the environment of Airflow's workers and triggerer.",
        )
    return Path(value)


def topology_file(deployment: str | None = None) -> Path:
    """Path of the topology file.

    :param deployment: needed when ``INFOMART_DR_TOPOLOGY`` is a folder with several files.
    :raises TopologyError: the variable is not set, or the folder has no file.
    :raises RequestError: there is no such deployment, or none is given and there are several.
    """
    path = topology_folder()
    if path.is_dir():
        if not (files := sorted(path.glob("*.yaml"))):
            raise _no_file(path)
        offer = f"one of: {', '.join(file.stem for file in files)}"
        if deployment:
            if not re.fullmatch(NAME, deployment):
                raise RequestError(
                    f"{deployment[:60]!r} is not a valid name of a deployment.",
                    f"Give the parameter deployment, {offer}.",
                )
            files = [file for file in files if file.stem == deployment]
        if len(files) != 1:
            raise RequestError(
                f"{path} holds {len(files)} topology files for deployment {deployment or '(not given)'}.",
                f"Give the parameter deployment, {offer}.",
            )
        path = files[0]
    return path


def deployments() -> list[str]:
    """Names of all deployments, from the folder's files or from the only file, whose own name does not matter.

    :raises TopologyError: the variable is not set, there is no file, or the only file is wrong.
    """
    path = topology_folder()
    if not path.is_dir():
        return [load().name]
    if not (found := sorted(file.stem for file in path.glob("*.yaml"))):
        raise _no_file(path)
    return found


def _no_file(folder: Path) -> TopologyError:
    return TopologyError(f"{folder} holds no topology file.", "Put a file <deployment>.yaml there.")


def load(deployment: str | None = None) -> Topology:
    """Read the topology of a deployment.

    :param deployment: its name; optional when there is only one.
    :raises TopologyError: no file, a wrong file, or a file of another deployment than its name says.
    :raises RequestError: the only file is that of another deployment.
    """
    path = topology_file(deployment)
    topology = read(path)
    if deployment and topology.name != deployment:
        what = f"{path}: deployment: found {topology.name!r}; allowed: {deployment[:60]!r}, as the run asks."
        if topology_folder().is_dir():
            raise TopologyError(what, "Correct the name in the file, or the name of the file.")
        raise RequestError(what, f"Give the parameter deployment as {topology.name}, or leave it empty.")
    return topology
