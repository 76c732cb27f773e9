"""GoldenGate's parameter files, rendered from the topology and one exclusion list per Info Mart release.

The guide's samples (guide:622-813) repeat the list of excluded tables four times, and the four lists differ. Here
one list, stored in ``include/gg/exclusions``, renders DDL EXCLUDE and TABLEEXCLUDE of the Extract, TABLEEXCLUDE of
the pump and MAPEXCLUDE of the Replicat. Intended differences from the samples:

- no file contains a password: USERIDALIAS, or the output of ENCRYPT PASSWORD before release 12.1;
- TRACE is omitted: it is for a diagnosis, and its folder must exist;
- every apply error stops the Replicat, because the samples' EXCEPTION needs an exceptions MAP that they lack,
  and DDLERROR IGNORE hides every failed definition;
- HANDLECOLLISIONS is omitted: AFTERCSN makes it unnecessary, and it hides faults;
- both directions may be configured at once: the Replicat tags its changes, and the Extract of the same site
  excludes them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infomart_dr import files
from infomart_dr.errors import GuardError, PermanentError, TopologyError
from infomart_dr.topology import AliasLogin, GoldenGate, Login, Site, Topology

#: Table in GoldenGate's schema. A row written at the source proves the catch-up when it arrives.
MARKER_TABLE = "DR_MARKER"


class Exclusion(BaseModel):
    """One table, or a pattern of tables, excluded from replication."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Upper case without its schema; ``*`` matches any characters.
    name: str = Field(pattern=r"^[A-Z][A-Z0-9_$#]*\*?$")
    #: Source of the exclusion, such as ``guide:441``.
    source: str

    def matches(self, table: str) -> bool:
        """It excludes the table.

        :param table: name without its schema; case does not matter.
        """
        name = table.upper()
        # Only * is a wildcard; in GoldenGate's names the underscore is a plain character.
        return name.startswith(self.name[:-1]) if self.name.endswith("*") else name == self.name


class _ExclusionFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    release: str
    exclusions: list[Exclusion] = Field(min_length=1)


def version(release: str) -> tuple[int, ...]:
    """A release as comparable numbers: ``8.1.4`` as ``(8, 1, 4)``."""
    return tuple(int(part) for part in release.split("."))


def documented_releases() -> list[str]:
    """Info Mart releases that have an exclusion list, oldest first."""
    folder = files.include_folder() / "gg" / "exclusions"
    return sorted((file.stem for file in folder.glob("*.yaml")), key=version)


def exclusion_list(release: str) -> str:
    """Name of the list that is valid for a release.

    A release between two documented ones has the list of the lower one: the guide names differences for 8.1.0
    only, so 8.1.2 and 8.1.3 take that of 8.1.1. The fourth part of a release does not change the list.

    :param release: such as ``8.1.3`` or ``8.1.402.07``; a third part of 402 is 8.1.4 with its build.
    :returns: a release that has a file in ``include/gg/exclusions``.
    :raises PermanentError: the release is older or newer than every list. A newer one may have tables that no
        list names (such as release 8.5), so no list is guessed.
    """
    wanted = three_parts(release)
    documented = documented_releases()
    known = [name for name in documented if version(name) <= wanted]
    if not known or wanted > version(documented[-1]):
        raise PermanentError(
            f"There is no exclusion list for Info Mart release {release}; there are lists for {', '.join(documented)}.",
            f"Add include/gg/exclusions/{'.'.join(map(str, wanted))}.yaml with the tables that this release "
            "excludes from replication.",
        )
    return known[-1]


def exclusion_digest(release: str) -> str:
    """SHA-256 of the exclusion list for a release, in hexadecimal."""
    path = files.include_folder() / "gg" / "exclusions" / f"{exclusion_list(release)}.yaml"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def three_parts(release: str) -> tuple[int, ...]:
    """A release of Info Mart or RAA as three numbers: a third part of 101 is 8.1.1 with its build.

    :raises PermanentError: it is not such a release.
    """
    try:
        parts = version(release)
    except ValueError:
        raise PermanentError(
            f"{release[:40]!r} is not an Info Mart release.", "Give info_mart.release as 8.1.4."
        ) from None
    third = parts[2] if len(parts) > 2 else 0
    return (*parts[:2], third // 100 if third >= 100 else third)


@cache
def exclusions(release: str) -> list[Exclusion]:
    """Tables and patterns that a release excludes from replication, in the file's order.

    :param release: Info Mart release; see :func:`exclusion_list` for those between two lists.
    :raises PermanentError: there is no list for the release, or the list is not valid.
    """
    name = exclusion_list(release)
    path = files.include_folder() / "gg" / "exclusions" / f"{name}.yaml"
    try:
        document = _ExclusionFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise PermanentError(f"{path.name} is not a valid exclusion list: {error}", "Correct the file.") from None
    if document.release != name:
        raise PermanentError(
            f"{path.name} is for release {document.release} according to its field release.",
            "Correct the field release.",
        )
    return document.exclusions


def is_excluded(release: str, table: str) -> bool:
    """A release excludes a table from replication.

    :param table: name with or without its schema.
    """
    name = table.rpartition(".")[2]
    return any(exclusion.matches(name) for exclusion in exclusions(release))


def replicated(release: str, tables: Iterable[str]) -> list[str]:
    """The replicated ones of the given tables, in the given order."""
    return [table for table in tables if not is_excluded(release, table)]


# -- differences between GoldenGate's releases --------------------------------------------------------------


def has_tags(goldengate: GoldenGate) -> bool:
    """SETTAG and EXCLUDETAG exist (12c and later)."""
    return version(goldengate.release) >= (12,)


def login_line(goldengate: GoldenGate, login: Login | None = None) -> str:
    """The login of a parameter file, without a readable password.

    :param login: default: that of the Replicat.
    :raises TopologyError: an alias with a release that has no credential store.
    """
    login = login or goldengate.login
    if isinstance(login, AliasLogin):
        if not has_tags(goldengate):
            raise TopologyError(
                f"goldengate.login: found an alias with release {goldengate.release}; "
                "allowed: user and encrypted_password before 12.1.",
                "Set encrypted_password to the output of ENCRYPT PASSWORD ... ENCRYPTKEY DEFAULT.",
            )
        return f"USERIDALIAS {login.alias}" + (f" DOMAIN {login.domain}" if login.domain else "")
    # With the key DEFAULT, ENCRYPT PASSWORD always uses Blowfish.
    return f"USERID {login.user}, PASSWORD {login.encrypted_password}, BLOWFISH, ENCRYPTKEY DEFAULT"


def loop_protection(goldengate: GoldenGate) -> str:
    """The parameter that excludes changes of the same site's Replicat from the Extract."""
    if has_tags(goldengate):
        return f"TRANLOGOPTIONS EXCLUDETAG {goldengate.tag.lower()}"
    # By user it is coarser: the user's own changes, including the marker row, are not captured either.
    user = goldengate.schema_name if isinstance(goldengate.login, AliasLogin) else goldengate.login.user
    return f"TRANLOGOPTIONS EXCLUDEUSER {user}"


def ddl_options(goldengate: GoldenGate) -> str:
    """DDLOPTIONS of the Extract. From 12.3 on, ADD SCHEMATRANDATA replaces the disabled ADDTRANDATA."""
    if version(goldengate.release) < (12, 3):
        return "DDLOPTIONS ADDTRANDATA RETRYOP RETRYDELAY 20 MAXRETRIES 60, REPORT"
    return "DDLOPTIONS REPORT"


# -- multitenant databases ---------------------------------------------------------------------------------


def _captured(site: Site) -> str:
    """The beginning of names in the Extract's file: the PDB where it captures from the root, else nothing."""
    return f"{site.database.pdb}." if site.goldengate.capture_login else ""


def _in_trail(site: Site) -> list[str]:
    """Beginnings of names in a trail of the site.

    No source says whether an Extract of the PDB itself writes the PDB's name, so both forms are read.
    """
    named = [f"{site.database.pdb}."] if site.database.pdb else []
    return named if site.goldengate.capture_login else ["", *named]


# -- formats and own lines ------------------------------------------------------------------------------------


def trail_format(sender: Site, receiver: Site) -> str | None:
    """Format of a trail whose receiver has an older GoldenGate; None: the sender's own.

    :raises TopologyError: no format fits both.
    """
    newer, older = _two_parts(sender.goldengate.release), _two_parts(receiver.goldengate.release)
    if newer <= older:
        return None
    least, reason = (9, 0), ""
    if newer >= (19, 1):
        least, reason = (12, 2), f"GoldenGate {sender.goldengate.release}"
    if _two_parts(sender.database.release) >= (12, 2):
        # From 12.2 on a CDB has undo of its own in each PDB, and transaction ids of the PDB in the trail.
        least, reason = (
            (12, 3) if sender.database.pdb else (12, 2),
            f"an Oracle database {sender.database.release}",
        )
    if older < least:
        raise TopologyError(
            f"GoldenGate {receiver.goldengate.release} on {receiver.database.host} cannot read the trail of "
            f"{sender.database.host}: with {reason} the oldest format is that of {least[0]}.{least[1]}.",
            f"Install GoldenGate {least[0]}.{least[1]} or later on {receiver.database.host}, and correct "
            "goldengate.release in the topology.",
        )
    return f"{older[0]}.{older[1]}"


def has_metadata(sender: Site, receiver: Site) -> bool:
    """The trail carries the definitions of its tables (formats of 12.2 and later)."""
    return min(_two_parts(sender.goldengate.release), _two_parts(receiver.goldengate.release)) >= (12, 2)


def pump_sets_format(goldengate: GoldenGate) -> bool:
    """The pump chooses the format of the remote trail. From 12.3 on it takes that of the local one."""
    return _two_parts(goldengate.release) < (12, 3)


def _two_parts(release: str) -> tuple[int, ...]:
    return version(release)[:2]


#: Statements about reports; a line of the site's own takes the place of that of the same parameter.
_REPORTING = (
    "STATOPTIONS RESETREPORTSTATS",
    "REPORT AT 00:01",
    "REPORTROLLOVER AT 00:01",
    "REPORTCOUNT EVERY 60 SECONDS, RATE",
)


def _own_lines(extra: Sequence[str]) -> dict[str, list[str]]:
    """The site's own lines, and the statements about reports that they do not replace."""
    own = {line.split()[0].upper() for line in extra}
    return {"extra": list(extra), "reporting": [line for line in _REPORTING if line.split()[0] not in own]}


# -- files ---------------------------------------------------------------------------------------------


def _common(topology: Topology, site_name: str, site: Site) -> dict[str, Any]:
    release = topology.info_mart.release
    return {
        "site_name": site_name,
        "schema": topology.info_mart.schema_name,
        "goldengate_schema": site.goldengate.schema_name,
        "marker_table": MARKER_TABLE,
        "exclusion_list": exclusion_list(release),
        "exclusions": [exclusion.name for exclusion in exclusions(release)],
    }


#: First line of a parameter file of the procedures: a digest of the rest.
_SIGNED = re.compile(r"-- infomart_dr ([0-9a-f]{16}): [^\n]*\n")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _signed(text: str) -> str:
    """A parameter file with its digest in the first line."""
    return f"-- infomart_dr {_digest(text)}: once a person has changed this file, a gate shows it first.\n{text}"


def is_own(text: str) -> bool:
    """The procedures have written a parameter file, and nobody has changed it since."""
    found = _SIGNED.match(text)
    return found is not None and found[1] == _digest(text[found.end() :])


def render_extract(topology: Topology, site_name: str, target_name: str) -> str:
    """Parameter file of a site's Extract (guide:622-706, corrected).

    :param target_name: site that reads the trail in the end.
    :raises PermanentError: there is no exclusion list for the Info Mart's release, the release lacks this login, or
        the target cannot read the trail.
    """
    site = topology.site(site_name)
    text = files.render(
        "gg/templates/extract.prm.j2",
        **_common(topology, site_name, site),
        container=_captured(site),
        group=site.goldengate.groups.extract,
        login=login_line(site.goldengate, site.goldengate.capture_login),
        **_own_lines(site.goldengate.extra_parameters.extract),
        trail=site.goldengate.trails.local,
        format=trail_format(site, topology.site(target_name)),
        loop_protection=loop_protection(site.goldengate),
        ddl_options=ddl_options(site.goldengate),
    )
    return _signed(text)


def render_pump(topology: Topology, site_name: str, target_name: str) -> str:
    """Parameter file of the pump that sends a site's trail to another site (guide:711-753, corrected).

    :raises TopologyError: the topology does not say how the site reaches the target's database host.
    """
    site, target = topology.site(site_name), topology.site(target_name)
    host = target.database.host
    reach = topology.reach(host, site_name)
    if reach is None:
        raise TopologyError(
            f"The topology does not say how {site_name} reaches {host}, the database host of {target_name}.",
            f"Add hosts.{host}.seen_from.{site_name} with address and manager_port.",
        )
    text = files.render(
        "gg/templates/pump.prm.j2",
        **_common(topology, site_name, site),
        containers=_in_trail(site),
        target_name=target_name,
        group=site.goldengate.groups.pump,
        address=reach.address,
        port=reach.manager_port or target.goldengate.manager_port,
        options=site.goldengate.rmthost_options,
        **_own_lines(site.goldengate.extra_parameters.pump),
        trail=target.goldengate.trails.arriving(site_name),
        format=trail_format(site, target) if pump_sets_format(site.goldengate) else None,
    )
    return _signed(text)


def render_replicat(topology: Topology, site_name: str, source_name: str) -> str:
    """Parameter file of a site's Replicat (guide:758-812, corrected).

    :param source_name: site whose trail arrives.
    """
    site, source = topology.site(site_name), topology.site(source_name)
    text = files.render(
        "gg/templates/replicat.prm.j2",
        **_common(topology, site_name, site),
        containers=_in_trail(source),
        source_name=source_name,
        source_goldengate_schema=source.goldengate.schema_name,
        group=site.goldengate.groups.replicat,
        login=login_line(site.goldengate),
        **_own_lines(site.goldengate.extra_parameters.replicat),
        metadata=has_metadata(source, site),
        tag=site.goldengate.tag.lower() if has_tags(site.goldengate) else None,
    )
    return _signed(text)


def render_globals(topology: Topology, site_name: str) -> str:
    """GLOBALS of a site: schema for FLUSH SEQUENCE and the default checkpoint table."""
    site = topology.site(site_name)
    return files.render(
        "gg/templates/globals.prm.j2",
        site_name=site_name,
        goldengate_schema=site.goldengate.schema_name,
        checkpoint_table=site.goldengate.checkpoint_table,
    )


def render_site(topology: Topology, site_name: str, other_name: str) -> dict[str, str]:
    """Parameter files of a site's three groups, by group; GLOBALS is merged, not replaced.

    :param other_name: the site that the pump sends to, and whose trail the Replicat applies.
    """
    groups = topology.site(site_name).goldengate.groups
    return {
        groups.extract: render_extract(topology, site_name, other_name),
        groups.pump: render_pump(topology, site_name, other_name),
        groups.replicat: render_replicat(topology, site_name, other_name),
    }


def parameter_path(group: str) -> str:
    """Path of a group's parameter file below GoldenGate's home."""
    return f"dirprm/{group.lower()}.prm"


def merge_globals(there: str | None, rendered: str, where: str) -> str:
    """GLOBALS with the lines that the procedures need and it lacks; every line that is there stays unchanged.

    :param there: the present file; None: there is no file.
    :param rendered: the result of :func:`render_globals`.
    :param where: site and path, for a message.
    :raises GuardError: it names another GGSCHEMA, as that of another application of the home.
    """
    if there is None:
        return rendered
    present: dict[str, list[str]] = {}
    for line in statements(there):
        word, _, value = line.partition(" ")
        present.setdefault(word.upper(), []).append(value)
    lines = there.splitlines()
    for line in statements(rendered):
        word, _, value = line.partition(" ")
        others = [each for each in present.get(word, ()) if each.upper() != value.upper()]
        # Another default checkpoint table may stay: ADD REPLICAT names ours.
        if word == "GGSCHEMA" and others:
            raise GuardError(
                f"{where} has GGSCHEMA {others[0]}, and the topology has {value}.",
                f"If another application of this home needs {others[0]}: set goldengate.schema to it, or use another "
                "home. If none does: correct GLOBALS.",
            )
        if word not in present:
            lines.append(line)
    return there if len(lines) == len(there.splitlines()) else "\n".join(lines) + "\n"


def statements(text: str) -> list[str]:
    """Parameters of a file, one per string: no comments, no blank lines, ``&`` joined, blanks squeezed.

    For a comparison with the file on the host: two files with the same statements have the same meaning.
    """
    joined = re.sub(r"&[ \t]*\r?\n", " ", text)
    lines = (re.sub(r"\s+", " ", line).strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("--")]


def one_transaction_at_a_time(text: str) -> str:
    """A Replicat's parameter file with which it commits each source transaction by itself."""
    signature = _SIGNED.match(text) if is_own(text) else None
    lines = text[signature.end() if signature else 0 :].splitlines()
    kept = [line for line in lines if not re.match(r"\s*(GROUPTRANSOPS|BATCHSQL)\b", line, re.IGNORECASE)]
    first = next((n for n, line in enumerate(kept, 1) if re.match(r"\s*REPLICAT\b", line, re.IGNORECASE)), 0)
    changed = "\n".join([*kept[:first], "GROUPTRANSOPS 1", *kept[first:]]) + "\n"
    return _signed(changed) if signature else changed
