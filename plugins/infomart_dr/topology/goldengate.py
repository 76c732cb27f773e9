"""GoldenGate at a site."""

from __future__ import annotations

import posixpath
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field
from pydantic import Tag as UnionTag

from infomart_dr.topology.identifiers import (
    AbsolutePath,
    GroupName,
    Identifier,
    Model,
    Name,
    Port,
    Release,
    Tag,
    TrailName,
    VariableName,
)


class Groups(Model):
    """Names of GoldenGate's groups at a site, both as a source and as a target."""

    extract: GroupName = "EGIM"
    pump: GroupName = "PGIM"
    replicat: GroupName = "RGIM"


def _kind_of_remote(value: object) -> str:
    """The kind of value that the file has; mistakes are reported for this kind only."""
    return "TrailNames" if isinstance(value, dict) else "TrailName"


class Trails(Model):
    """Trails of a site: its own trail, and those that arrive from other sites."""

    local: TrailName = "./dirdat/em"
    #: One name, or one for each sending site: two pumps cannot write one trail.
    remote: Annotated[
        Annotated[TrailName, UnionTag("TrailName")] | Annotated[dict[Name, TrailName], UnionTag("TrailNames")],
        Discriminator(_kind_of_remote),
    ] = "./dirdat/dp"
    megabytes: int = Field(2000, ge=1, le=2000)

    def arriving(self, site: str) -> str:
        """The trail that a site's pump writes here."""
        return self.remote if isinstance(self.remote, str) else self.remote[site]

    @property
    def all_arriving(self) -> list[str]:
        """Trails that the pumps of other sites may write here."""
        return [self.remote] if isinstance(self.remote, str) else sorted(self.remote.values())


class AliasLogin(Model):
    """Login through GoldenGate's credential store (12c and later)."""

    alias: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,29}$")
    domain: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,29}$")


class EncryptedLogin(Model):
    """Login of releases without a credential store: the parameter files contain the output of ENCRYPT PASSWORD."""

    user: Identifier
    #: Output of ``ENCRYPT PASSWORD ... ENCRYPTKEY DEFAULT``; never the password itself.
    encrypted_password: str = Field(pattern=r"^[A-Z0-9]{16,}$")


def _kind_of_login(value: object) -> str:
    """The kind of login that the file means; mistakes are reported for this kind only."""
    if isinstance(value, EncryptedLogin):
        return "EncryptedLogin"
    encrypted = isinstance(value, dict) and "alias" not in value and {"user", "encrypted_password"} & set(value)
    return "EncryptedLogin" if encrypted else "AliasLogin"


Login = Annotated[
    Annotated[AliasLogin, UnionTag("AliasLogin")] | Annotated[EncryptedLogin, UnionTag("EncryptedLogin")],
    Discriminator(_kind_of_login),
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Parameters and options that the procedures set themselves; a second value would contradict them.
_OWN = _words(
    """
    ASSUMETARGETDEFS CATALOGEXCLUDE DDL DDLERROR DISCARDFILE DISCARDROLLOVER EXCLUDETAG EXCLUDEUSER EXCLUDEUSERID
    EXTRACT EXTTRAIL MAP MAPEXCLUDE NODISCARDFILE NOPASSTHRU PASSTHRU REPERROR REPLICAT RMTHOST RMTHOSTOPTIONS RMTTRAIL
    SCHEMAEXCLUDE SEQUENCE SETTAG SOURCECATALOG SOURCEDEFS TABLE TABLEEXCLUDE USERID USERIDALIAS WILDCARDRESOLVE
    """
)
#: Parameters and options that lose, change or double rows, or that hide it.
_UNSAFE = _words(
    """
    ALLOWDATALOSS GETAPPLOPS GETREPLICATES HANDLECOLLISIONS IGNOREDELETES IGNOREINSERTS IGNORETRUNCATES IGNOREUPDATES
    INSERTALLRECORDS INSERTDELETES INSERTMISSINGUPDATES INSERTUPDATES NOSUPPRESSTRIGGERS NOTRIGGERS OVERRIDEDUPS
    UPDATEDELETES UPDATEINSERTS
    """
)
#: Parameters that commit rows in another order, or a transaction in parts: an arrived marker, and the end of a trail,
#: would prove less.
_UNORDERED = frozenset({"BATCHSQL", "MAXTRANSOPS", "SPLIT_TRANS_RECS"})
_EXTRA = r"^[A-Za-z#][^\x00-\x1f\x7f]{0,499}$"


def _parameter_line(value: str) -> str:
    """A line that may stand in a parameter file beside those of the procedures."""
    words = {word.upper() for word in re.split(r"[\s,();]+", value)}
    for found, reason in (
        (words & _OWN, "the procedures set it themselves"),
        (words & _UNSAFE, "it loses, changes or doubles rows, or hides that"),
        (words & _UNORDERED, "without the order of the commits an arrived marker proves nothing"),
    ):
        if found:
            raise ValueError(f"a line without {', '.join(sorted(found))}: {reason}")
    if value.rstrip().endswith("&"):
        raise ValueError("a whole statement on one line, without the continuation sign &")
    if re.search(r"(?i)PASSWORD\b", value) and not re.search(r"(?i)PASSWORD\s+[A-Z0-9]{16,}\b.*\bENCRYPTKEY\b", value):
        raise ValueError(
            "a line without a password: an alias of the credential store, or the output of ENCRYPT PASSWORD"
        )
    return value


ParameterLine = Annotated[str, Field(pattern=_EXTRA), AfterValidator(_parameter_line)]


class ExtraParameters(Model):
    """Lines of the site's own for the parameter files, rendered in their order right behind the group's name."""

    extract: tuple[ParameterLine, ...] = ()
    pump: tuple[ParameterLine, ...] = ()
    replicat: tuple[ParameterLine, ...] = ()


class GoldenGate(Model):
    """GoldenGate at a site (classic deployment, ggsci)."""

    home: AbsolutePath
    release: Release = "19.1"
    #: The Extract's way to read the redo.
    capture: Literal["integrated", "classic"] = "integrated"
    #: Redo threads that a classic Extract reads: the instances of a RAC.
    threads: int = Field(1, ge=1, le=64)
    manager_port: Port = 7809
    #: Schema of GoldenGate's own tables and of the procedures' lock, ledger and marker.
    schema_name: Identifier = Field("GGATE", alias="schema")
    #: User of Replicat, who also runs the commands of the PDB.
    login: Login
    #: Common user (C##...) in the root of a CDB, who captures; None: the Extract has the login above.
    capture_login: AliasLogin | None = None
    groups: Groups = Field(default_factory=Groups)
    trails: Trails = Field(default_factory=Trails)
    #: Checkpoint table in GoldenGate's schema.
    checkpoint_table: Identifier = "GGS_CHECKPOINT"
    #: Tag of what Replicat writes, excluded by the Extract of the same site (12c and later).
    tag: Tag = "00"
    #: Options of RMTHOST behind the address and the port.
    rmthost_options: str = Field("COMPRESS", pattern=r"^[A-Za-z0-9_.,() -]{0,200}$")
    extra_parameters: ExtraParameters = Field(default_factory=ExtraParameters)
    environment: dict[VariableName, str] = Field(default_factory=dict)

    def trail_folder(self, trail: str) -> str:
        """Absolute folder of a trail, whose path may be relative to the home.

        :param trail: a name from ``trails``.
        """
        return posixpath.normpath(posixpath.join(self.home, posixpath.dirname(trail) or "."))
