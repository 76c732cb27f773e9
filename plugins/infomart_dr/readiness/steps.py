"""Readiness: the procedures that a deployment may need, the checks of each, and a report. Nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from infomart_dr import topology as topology_module
from infomart_dr.errors import GuardError, InfoMartError
from infomart_dr.guards import service
from infomart_dr.operators.base import page
from infomart_dr.readiness import reach
from infomart_dr.readiness.context import CheckContext, ReadOnlyStep
from infomart_dr.readiness.procedures import PROCEDURES, estimated_times, fitting
from infomart_dr.readiness.report import Finding, Report, blocked_sentence, examine
from infomart_dr.topology import Topology

if TYPE_CHECKING:
    from airflow.sdk import Context


#: Value of the parameter ``procedure``: every procedure that the site roles allow.
ALL_THAT_FIT = "all that fit"


class ReadinessOperator(BaseOperator):
    """A task of the readiness check."""

    guide: ClassVar[str] = ""
    where: ClassVar[str] = "every site of the deployment"

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("doc_md", self.documentation())
        super().__init__(**kwargs)

    @classmethod
    def documentation(cls) -> str:
        """The task's page, which a mapped task must get as an argument."""
        return page(cls.__doc__, cls.guide, cls.where, "nothing", "nothing to undo")


class ListCases(ReadinessOperator):
    """List the cases to check: one per deployment and procedure, from the roles in the topology."""

    def execute(self, context: Context) -> list[dict[str, str]]:
        params = context["params"]
        cases = list_cases(
            str(params.get("deployment") or ""),
            str(params.get("procedure") or ALL_THAT_FIT),
            str(params.get("source") or ""),
            str(params.get("target") or ""),
        )
        for case in cases:
            self.log.info("%s", " ".join(value for value in case.values() if value))
        return cases


def list_cases(deployment: str, procedure: str, source: str, target: str) -> list[dict[str, str]]:
    """Cases to check.

    A topology that cannot be read, or has no site for a procedure, becomes a case with ``error`` and ``remedy``, so
    that the others are still checked.

    :raises InfoMartError: there is nothing to check.
    """
    cases: list[dict[str, str]] = []
    for name in [deployment] if deployment else _names():
        known = name
        try:
            topology = topology_module.load(name or None)
            known = topology.name
            cases += _of_deployment(topology, procedure, source, target)
        except InfoMartError as error:
            cases.append(_case(known, procedure, source, target) | {"error": error.what, "remedy": error.next_step})
    if not cases:
        raise GuardError(
            "No procedure fits the site roles: there is neither a standby nor a new site.",
            "Set the roles in the topology, or choose a procedure, source and target.",
        )
    return cases


def _names() -> list[str]:
    """Deployments to check; an empty name means the only topology file, even if it is invalid."""
    return topology_module.deployments() if topology_module.topology_folder().is_dir() else [""]


def _of_deployment(topology: Topology, procedure: str, source: str, target: str) -> list[dict[str, str]]:
    name = topology.name
    if procedure == ALL_THAT_FIT:
        return [
            _case(name, *found) for found in fitting(topology) if source in ("", found[1]) and target in ("", found[2])
        ]
    chosen = PROCEDURES[procedure]
    if chosen.only is not None:
        topology.must_be(chosen.only, f"infomart_{procedure}")
    if chosen.failover:
        sites = topology.failover_pair(source or None, target or None, ("source", "target"))
    else:
        sites = topology.pair(source or None, target or None)
    return [_case(name, procedure, sites.source, sites.target)]


def _case(deployment: str, procedure: str, source: str, target: str) -> dict[str, str]:
    return {"deployment": deployment, "procedure": procedure, "source": source, "target": target}


class CheckReadiness(ReadinessOperator):
    """Run the guards and preconditions of one procedure as the real run would, and report each result.

    :param case: of :class:`ListCases`.
    """

    guide = "Deployment Prerequisites (guide:573-583); the prerequisites of each procedure"
    template_fields = ("case",)

    def __init__(self, *, case: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case = case

    def execute(self, context: Context) -> dict[str, Any]:
        report = check(self.case)
        self.log.info("%s\n%s", report.title, report.table())
        for finding in report.findings:
            if finding.level in ("warning", "blocked"):
                self.log.warning("%s: %s. Next: %s", finding.level, finding.sentence(), finding.remedy)
        for part, time in report.estimate.items():
            self.log.info("estimate: %s: %s", part, time)
        return report.to_json()


def check(case: dict[str, str]) -> Report:
    """The report of one case."""
    about: dict[str, Any] = {field: case[field] for field in ("deployment", "procedure", "source", "target")}
    if error := case.get("error"):
        remedy = case.get("remedy") or "Correct the topology file or the parameters."
        return Report(**about, findings=[Finding("topology", "every site", "blocked", error, remedy)])
    procedure = PROCEDURES[case["procedure"]]
    with ReadOnlyStep(
        deployment=case["deployment"], source=case["source"], target=case["target"], failover=procedure.failover
    ) as step:
        context = CheckContext(step, procedure.name)
        findings = examine(procedure.checks(step.topology.architecture), context, lambda role: step.at(role).name)
        # Only where that login works: another try with a wrong password would help to lock the account.
        readable = tuple(
            each.site for each in findings if each.check == reach.GOLDENGATE_USER.name and each.level == "ok"
        )
        stale = service.stale(step.deployment, readable)
        if stale is not None and step.pair.source != stale.active:
            # By the old roles the other remedies are wrong: the server that serves would have to stop.
            sentence = stale.sentence(step.topology)
            return Report(**about, findings=[Finding("roles", "topology", "blocked", sentence, stale.remedy)])
        return Report(**about, findings=findings, estimate=estimated_times(context, findings))


class ReportReadiness(ReadinessOperator):
    """Join the reports; fail with one sentence about all blocked findings, if there are any.

    It also runs after a check has failed unexpectedly, and then names the cases without a report.

    :param cases: of :class:`ListCases`.
    :param reports: of :class:`CheckReadiness`, one per finished case.
    """

    where = "Airflow"
    template_fields = ("cases", "reports")

    def __init__(self, *, cases: Any, reports: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cases, self.reports = cases, reports

    def execute(self, context: Context) -> dict[str, Any]:
        reports = [Report.from_json(each) for each in (self.reports or [])]
        text = "# Readiness\n\n" + "\n".join(report.markdown() for report in reports)
        self.log.info("%s", text)
        sentence = blocked_sentence(reports)
        wrong = [sentence] if sentence else []
        done = {(report.deployment, report.procedure, report.source, report.target) for report in reports}
        for case in self.cases or []:
            key = (case["deployment"], case["procedure"], case["source"], case["target"])
            if key not in done:
                wrong.append(f"{case['procedure']} of {case['deployment']}: the check failed, see its task's log")
        if not self.cases:
            wrong.append("the cases could not be listed, see the log of list_cases")
        result = {
            "level": "blocked" if wrong else "warning" if any(r.level == "warning" for r in reports) else "ok",
            "blocked": wrong,
            "markdown": text,
        }
        # Pushed explicitly, since a failed task returns nothing.
        if (instance := context.get("ti")) is not None:
            instance.xcom_push(key="readiness", value=result)
        if wrong:
            raise GuardError(f"Not ready: {'; '.join(wrong)}.", "Follow the column remedy of the report.")
        return result
