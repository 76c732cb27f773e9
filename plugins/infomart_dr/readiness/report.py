"""Checks without side effects: subject, result and remedy of each; they run in order and fill one report.

A check that gets no answer is blocked, with the reason. The checks that need the same answer are *not checked*, so
that one fault is reported once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from infomart_dr.errors import InfoMartError, UnreachableError
from infomart_dr.guards.faults import Fault
from infomart_dr.topology import BOTH_ROLES, SiteRole

Level = Literal["ok", "not checked", "warning", "blocked"]
#: From best to worst.
LEVELS: tuple[Level, ...] = ("ok", "not checked", "warning", "blocked")


@dataclass(frozen=True)
class Verdict:
    """The result of a check.

    :param what: one sentence.
    :param remedy: the next step; empty when there is none.
    :param unreachable: something did not answer.
    """

    level: Level
    what: str
    remedy: str = ""
    unreachable: bool = False


def ok(what: str) -> Verdict:
    return Verdict("ok", what)


def warning(what: str, remedy: str) -> Verdict:
    return Verdict("warning", what, remedy)


def blocked(what: str, remedy: str) -> Verdict:
    return Verdict("blocked", what, remedy)


def not_checked(what: str, remedy: str = "") -> Verdict:
    return Verdict("not checked", what, remedy)


def faults(found: Iterable[str], fine: str, remedy: str, level: Level = "blocked") -> Verdict:
    """A verdict from a list of faults.

    :param fine: the sentence when there are none.
    """
    wrong = list(found)
    if not wrong:
        return ok(fine)
    shown = "; ".join(wrong[:8]) + (f" and {len(wrong) - 8} more" if len(wrong) > 8 else "")
    return Verdict(level, shown, remedy)


def of_faults(found: Iterable[Fault], fine: str) -> Verdict:
    """A verdict from a guard's faults: those that stop a run are blocked, the others a warning.

    :param fine: the sentence when there are none.
    """
    return merge(
        [Verdict("blocked" if each.stops else "warning", each.what, each.remedy) for each in found] or [ok(fine)]
    )


@dataclass(frozen=True)
class Check:
    """A named check.

    :param looks_at: its subject, for the list of all checks.
    :param look: ``(context, role)`` to one verdict or several.
    :param needs: checks of the same site that must pass before this one.
    :param behind: checks of the same site; if they got no answer, this one would get none either.
    :param of_source: checks of the source that this one needs, whatever its own site.
    :param once: it covers both sites at once, and its needs apply to both.
    """

    name: str
    looks_at: str
    look: Callable[[Any, SiteRole], Verdict | list[Verdict]]
    needs: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    of_source: tuple[str, ...] = ()
    once: bool = False


@dataclass(frozen=True)
class Planned:
    """A check in the list of a procedure, with the roles of its sites."""

    check: Check
    roles: tuple[SiteRole, ...] = BOTH_ROLES


@dataclass(frozen=True)
class Finding:
    """A line of the report."""

    check: str
    site: str
    level: Level
    what: str
    remedy: str = ""
    unreachable: bool = False

    def sentence(self) -> str:
        return f"{self.check} at {self.site}: {self.what.rstrip('.')}"


@dataclass(frozen=True)
class Report:
    """The findings for one procedure of one deployment.

    :param estimate: times by part, for people.
    """

    deployment: str
    procedure: str
    source: str
    target: str
    findings: list[Finding] = field(default_factory=list)
    estimate: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Report:
        return cls(**{**document, "findings": [Finding(**finding) for finding in document["findings"]]})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def level(self) -> Level:
        """The worst level; a check that was not checked counts as ok."""
        worst = max((LEVELS.index(finding.level) for finding in self.findings), default=0)
        return LEVELS[worst] if LEVELS[worst] in ("warning", "blocked") else "ok"

    def of(self, level: Level) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == level]

    @property
    def name(self) -> str:
        """The deployment; an unreadable only topology file has no name."""
        return self.deployment or "the topology file"

    @property
    def title(self) -> str:
        return f"{self.procedure} of {self.name} ({self.source or '?'} -> {self.target or '?'})"

    def blocked_sentence(self) -> str:
        """All blocked findings in one sentence; empty without any."""
        return blocked_sentence([self])

    def table(self) -> str:
        """For the log: one line per finding."""
        rows = [(finding.level, finding.check, finding.site, finding.what) for finding in self.findings]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        return "\n".join(
            "  ".join([*(row[column].ljust(widths[column]) for column in range(3)), row[3]]) for row in rows
        )

    def markdown(self) -> str:
        """The report as Markdown."""
        counted = ", ".join(f"{len(self.of(level))} {level}" for level in reversed(LEVELS) if self.of(level))
        lines = [f"## {self.title}: {self.level}", "", f"{counted or 'nothing was checked'}.", ""]
        if self.estimate:
            lines += ["| part | estimated time |", "|---|---|"]
            lines += [f"| {part} | {time} |" for part, time in self.estimate.items()] + [""]
        lines += ["| level | check | site | found | remedy |", "|---|---|---|---|---|"]
        for level in reversed(LEVELS):
            for finding in self.of(level):
                cells = (finding.level, finding.check, finding.site, finding.what, finding.remedy)
                lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
        return "\n".join(lines) + "\n"


def blocked_sentence(reports: Sequence[Report]) -> str:
    """All blocked findings of several reports, each fault once with its procedures; empty without any."""
    met: dict[tuple[str, str], list[str]] = {}
    for report in reports:
        for finding in report.of("blocked"):
            met.setdefault((report.name, finding.sentence()), []).append(report.procedure)
    return "; ".join(
        f"{deployment}: {sentence} ({', '.join(procedures)})" for (deployment, sentence), procedures in met.items()
    )


def examine(planned: Sequence[Planned], context: Any, site_name: Callable[[SiteRole], str]) -> list[Finding]:
    """Run checks in their order.

    :param context: passed to the checks.
    """
    found: dict[tuple[str, SiteRole], Finding] = {}
    findings: list[Finding] = []
    for each in planned:
        check = each.check
        for role in each.roles:
            verdict = _missing(check, role, found) or _look(check, context, role)
            site = " and ".join(site_name(one) for one in BOTH_ROLES) if check.once else site_name(role)
            finding = Finding(check.name, site, verdict.level, verdict.what, verdict.remedy, verdict.unreachable)
            found[check.name, role] = finding
            findings.append(finding)
    return findings


def _missing(check: Check, role: SiteRole, found: Mapping[tuple[str, SiteRole], Finding]) -> Verdict | None:
    """The verdict when something that the check needs did not pass; None: it can run."""
    needed = [(name, one) for one in (BOTH_ROLES if check.once else (role,)) for name in check.needs]
    needed += [(name, "source") for name in check.of_source]
    for key in needed:
        if (before := found.get(key)) is not None and before.level in ("blocked", "not checked"):
            return not_checked(f"needs {before.check} at {before.site}")
    for name in check.behind:
        if (before := found.get((name, role))) is not None and before.level == "blocked" and before.unreachable:
            return not_checked(f"needs {before.check} at {before.site}")
    return None


def _look(check: Check, context: Any, role: SiteRole) -> Verdict:
    try:
        verdicts = check.look(context, role)
    except InfoMartError as error:
        what, remedy = error.what, error.next_step or "Read the task's log."
        return Verdict("blocked", what, remedy, isinstance(error, UnreachableError))
    if isinstance(verdicts, Verdict):
        return verdicts
    return merge(verdicts)


def merge(verdicts: Sequence[Verdict]) -> Verdict:
    """Several verdicts of one check as one: the worst level, with the sentences of that level and of all warnings."""
    if not verdicts:
        return ok("nothing to check")
    worst = max(LEVELS.index(verdict.level) for verdict in verdicts)
    shown = [verdict for verdict in verdicts if LEVELS[worst] == verdict.level or verdict.level in LEVELS[2:]]
    return Verdict(
        LEVELS[worst],
        "; ".join(dict.fromkeys(verdict.what for verdict in shown)),
        " ".join(dict.fromkeys(verdict.remedy for verdict in shown if verdict.remedy)),
        any(verdict.unreachable for verdict in verdicts),
    )
