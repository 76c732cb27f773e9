"""The parameter files that a plan would write, rendered by the code that the operators use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from infomart_dr.errors import PermanentError
from infomart_dr.hooks import data_pump, goldengate_parameters
from infomart_dr.plan.step import plan_key
from infomart_dr.topology import BOTH_ROLES, Pair, SiteRole

#: Stands for the id of a plan that has not begun.
NEW_PLAN = "(a plan that has not begun)"


@dataclass(frozen=True)
class ParameterFile:
    """A file of a site.

    :param site: name of the site.
    :param path: where a plan writes it there.
    :param note: remark for the reader.
    """

    site: str
    path: str
    text: str
    note: str = ""

    @property
    def local(self) -> PurePosixPath:
        """Path below a folder for the files of several sites."""
        return PurePosixPath(
            self.site, *(part for part in PurePosixPath(self.path).parts if part not in ("/", "~", ".."))
        )


@dataclass
class Rendered:
    """The rendered files, and the values that only a running plan knows."""

    files: list[ParameterFile] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def render(pair: Pair, *, plan_id: str = "", scn: int | None = None, dump_files: Sequence[str] = ()) -> Rendered:
    """Parameter files of GoldenGate at both sites, and of Data Pump.

    :param plan_id: names of jobs, and the folder, depend on it; empty: a plan that has not begun.
    :param scn: FLASHBACK_SCN; a plan reads it from the source's database.
    :param dump_files: names of the dump set; a plan reads them from its manifest.
    :raises PermanentError: a value is not allowed, or the topology lacks what a file needs.
    """
    found = Rendered()
    for role in BOTH_ROLES:
        site = pair.name(role)
        home = pair.site(role).goldengate.home
        texts = goldengate_parameters.render_site(pair.topology, site, pair.name(pair.other(role)))
        found.files += [
            ParameterFile(site, f"{home}/{goldengate_parameters.parameter_path(group)}", text)
            for group, text in texts.items()
        ]
        found.files.append(
            ParameterFile(
                site,
                f"{home}/GLOBALS",
                goldengate_parameters.render_globals(pair.topology, site),
                "merged into the existing file, whose other lines stay",
            )
        )
    plan_id = plan_id or NEW_PLAN
    export, load = data_pump.export_job(plan_id), data_pump.import_job(plan_id)
    if scn is None:
        found.missing.append("expdp: a plan reads FLASHBACK_SCN from the source's database; give --scn to see the file")
    else:
        text = data_pump.export_parameters(pair.topology, pair.site("source"), scn, export)
        found.files.append(_of_plan(pair, "source", plan_id, f"{export}.par", text))
    if not dump_files:
        found.missing.append(
            "impdp: the manifest, which a plan writes after its export, names the dump files; give --dump-file for "
            "each to see the file"
        )
    else:
        text = data_pump.import_parameters(pair.topology, pair.site("target"), dump_files, load)
        found.files.append(_of_plan(pair, "target", plan_id, f"{load}.par", text))
    return found


def _of_plan(pair: Pair, role: SiteRole, plan_id: str, name: str, text: str) -> ParameterFile:
    """A file in the plan's folder on a database host."""
    folder = pair.topology.host(pair.site(role).database.host).work_folder
    home = "" if folder.startswith("/") else "~/"
    note = f"job, folder and file are named after {plan_id}"
    return ParameterFile(pair.name(role), f"{home}{folder}/plans/{plan_key(plan_id)}/{name}", text, note)


def check_plan_id(plan_id: str) -> str:
    """The run id, in the form that the procedures allow.

    :raises PermanentError: it has another form.
    """
    if not re.fullmatch(r"[A-Za-z0-9_.~:+\-]{0,250}", plan_id):
        raise PermanentError(f"{plan_id[:60]!r} is not a valid run id.", "Give letters, digits and _ . ~ : + - only.")
    return plan_id
