"""The removal of GoldenGate's groups that no direction in use needs, with their registrations, trails and files."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterable, Sequence

from infomart_dr.plan.direction import Direction, ends
from infomart_dr.plan.step import Step
from infomart_dr.topology import SiteRole

log = logging.getLogger(__name__)


def unused_groups(step: Step, role: SiteRole, keep: Direction | None) -> tuple[str, ...]:
    """Groups of a site that a kept direction does not use, as the topology names them.

    :param keep: direction that is in use; None: none is.
    """
    groups = step.at(role).settings.goldengate.groups
    if keep is None:
        return (groups.replicat, groups.pump, groups.extract)
    return (groups.replicat,) if ends(keep)[0] == role else (groups.pump, groups.extract)


def groups_left(step: Step, role: SiteRole, keep: Direction | None) -> list[str]:
    """The unused groups that exist."""
    there = {program.group for program in step.at(role).ggsci.info_all() if program.group}
    return [name for name in unused_groups(step, role, keep) if name in there]


def remove_unused(step: Step, roles: Iterable[SiteRole], keep: Direction | None, folder: str) -> None:
    """Remove the unused groups of sites, and move their trails and working files aside.

    :param folder: name of the folder below dirdat for them and for the groups' definitions.
    """
    roles = list(roles)
    for role in roles:
        _remove_groups(step, role, keep, folder)
    # After the groups of all sites: a pump that still runs would write the other site's trail again.
    for role in roles:
        _put_unused_aside(step, role, keep, folder)


def _remove_groups(step: Step, role: SiteRole, keep: Direction | None, folder: str) -> None:
    ggsci, site = step.at(role).ggsci, step.at(role)
    left = groups_left(step, role, keep)
    for name in unused_groups(step, role, keep):
        if name in left:
            log.info("act: %s: remove %s: %s", site.name, name, ggsci.info(name))
            keep_definition(step, role, name, folder)
        # An Extract whose group is gone may still be registered.
        ggsci.remove_group(name)


def _put_unused_aside(step: Step, role: SiteRole, keep: Direction | None, folder: str) -> None:
    trails = step.at(role).settings.goldengate.trails
    kept = ""
    if keep is not None:
        other = step.at("target" if role == "source" else "source").name
        kept = trails.local if ends(keep)[0] == role else trails.arriving(other)
    # Trails of third sites too: nothing at this site reads them any more.
    unused = [trail for trail in (trails.local, *trails.all_arriving) if trail != kept]
    put_aside(step, role, unused, unused_groups(step, role, keep), folder)


def keep_definition(step: Step, role: SiteRole, name: str, folder: str) -> None:
    """Write a group's definition by INFO into the folder of removed files."""
    host, path = step.at(role).host(), f"{step.at(role).settings.goldengate.home}/dirdat/{folder}"
    host.run(["mkdir", "-p", "--", path])
    host.write_file(f"{path}/{name.lower()}.info", step.at(role).ggsci.definition(name) + "\n")


def put_aside(step: Step, role: SiteRole, trails: Iterable[str], groups: Iterable[str], folder: str) -> None:
    """Move the files of trails, and the working files of removed groups, into the folder of removed files."""
    patterns = [(trail.rpartition("/")[0] or ".", f"{shlex.quote(trail.rpartition('/')[2])}[0-9]*") for trail in trails]
    for name in groups:
        for each in (shlex.quote(name), shlex.quote(name.lower())):
            patterns += [("dirchk", f"{each}.cp*"), ("dirrpt", f"{each}.*"), ("dirrpt", f"{each}[0-9].*")]
            patterns += [("trace", f"{each}.*"), ("TRACE", f"{each}.*")]
            # Bounded recovery: a new Extract of the same name must not find its checkpoint.
            patterns.append(("BR", each))
    move_aside(step, role, patterns, folder)


def reports_aside(step: Step, role: SiteRole, name: str, folder: str) -> None:
    """Move a group's reports aside, so that a new group of the same name begins without reports."""
    words = (shlex.quote(name), shlex.quote(name.lower()))
    patterns = [("dirrpt", f"{word}{numbers}.rpt") for word in words for numbers in ("", "[0-9]")]
    move_aside(step, role, patterns, folder)


def move_aside(step: Step, role: SiteRole, patterns: Sequence[tuple[str, str]], folder: str) -> None:
    """Move files of a site's GoldenGate home into a folder below its dirdat.

    :param patterns: folder, and pattern of names for the shell, quoted except for the pattern's own signs.
    """
    home = step.at(role).settings.goldengate.home
    lines = [f"cd {shlex.quote(home)} || exit 1", f"aside=dirdat/{shlex.quote(folder)}"]
    for where, pattern in patterns:
        lines.append(
            f"for f in {shlex.quote(where)}/{pattern}; do "
            f'[ -f "$f" ] || [ -d "$f" ] || continue; to="$aside/$(basename "$(dirname "$f")")"; '
            'mkdir -p "$to" && mv -- "$f" "$to/" || exit 1; done'
        )
    step.at(role).host().run(["sh", "-c", "\n".join(lines)])
