"""A procedure as its DAG file has it: chapters and tasks in order, and the effect of each task in a deployment.

The outline states only facts that are known without a connection. Everything else stays open and is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from infomart_dr.deployment import Deployment
from infomart_dr.errors import GuardError, PermanentError
from infomart_dr.guide import readable
from infomart_dr.hooks.configuration import ConfigurationBackend
from infomart_dr.plan.facts import AnyFact, Fact
from infomart_dr.plan.ledger import Ledger, Recorded, T
from infomart_dr.plan.step import Step, is_failover
from infomart_dr.preparation.guide_coverage import reference_text
from infomart_dr.topology import BOTH_ROLES, SiteRole, Topology

#: ``program``; ``person``: a person does it and confirms; ``decision``: a gate; ``open``: a person does it where
#: something is missing, which only the run can find out.
Who = Literal["program", "person", "decision", "open"]


@dataclass
class OutlineTask:
    """A task of a procedure.

    :param applies: None: only the run can decide.
    :param why_not: why it does not apply.
    :param at_the_end: it runs even after a failure.
    :param after: tasks that it follows.
    """

    task_id: str
    title: str
    guide: str
    site: str
    changes: str
    undo: str
    who: Who
    applies: bool | None
    why_not: str = ""
    at_the_end: bool = False
    after: list[str] = field(default_factory=list)


@dataclass
class Chapter:
    """A task group, or a single task."""

    name: str
    title: str
    tasks: list[OutlineTask]


@dataclass
class Outline:
    """A procedure."""

    dag_id: str
    description: str
    deployment: str
    source: str
    target: str
    params: dict[str, Any]
    chapters: list[Chapter]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


# -- a deployment without connections ----------------------------------------------------------------


class NotWithoutConnection(GuardError):
    """A question that only a connection can answer."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not checked here.", "Start the procedure.")


class _NewPlan(Ledger):
    """The ledger of a plan that has not begun."""

    def __init__(self) -> None:
        """Empty: there is nothing recorded, and nothing can be recorded."""

    def get(self, fact: Fact[T]) -> T | None:
        return None

    def has(self, fact: AnyFact) -> bool:
        return False

    def all(self) -> Recorded:
        return Recorded({})


class UnconnectedStep(Step):
    """A step of a deployment, without connections: only its topology is known.

    :param begun: True: the plan has facts, and they are unknown; False: the plan has none yet.
    """

    def __init__(self, topology: Topology, *, begun: bool, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.deployment = Unconnected(topology)
        self._begun = begun

    def _ledger(self, plan_id: str, role: SiteRole | None = None) -> Ledger:
        if self._begun:
            raise NotWithoutConnection("The record of the plan")
        return _NewPlan()


class Unconnected(Deployment):
    """A deployment without connections: only its topology is known."""

    def __init__(self, topology: Topology) -> None:
        super().__init__(topology.name)
        self.__dict__["topology"] = topology

    def oracle(self, connection: str, statement_timeout: float | None = None) -> Any:
        raise NotWithoutConnection(f"The database of {connection}")

    def host_named(self, name: str) -> Any:
        raise NotWithoutConnection(f"The host {name}")

    def management_layer(self, site: str) -> Any:
        raise NotWithoutConnection(f"The Management Layer of {site}")

    def configuration(self, site: str) -> ConfigurationBackend:
        if self.site(site).configuration.backend != "manual":
            raise NotWithoutConnection(f"The configuration of {site}")
        return super().configuration(site)


# -- outline -----------------------------------------------------------------------------------------


def outline(dag: Any, topology: Topology | None, given: Mapping[str, Any] | None = None) -> Outline:
    """A procedure, with everything that is known of it in a deployment.

    :param dag: from a DAG file.
    :param topology: None: the outline does not say which tasks apply.
    :param given: values of parameters.
    :raises PermanentError: the procedure has no such parameter, or its form refuses the value.
    :raises TopologyError: the sites cannot be chosen, or the deployment has another architecture than the procedure.
    """
    params = _params(dag, dict(given or {}))
    for lock in (task for task in dag.tasks if topology is not None and hasattr(task, "must_fit")):
        lock.must_fit(topology)
    steps = None if topology is None else {begun: _step(dag, topology, params, begun=begun) for begun in (True, False)}
    return Outline(
        dag_id=dag.dag_id,
        description=dag.description or "",
        deployment=topology.name if topology else "",
        source=_site(steps, "source") if steps else "",
        target=_site(steps, "target") if steps and _has_target(dag) else "",
        params=params,
        chapters=[
            Chapter(name, title, [_task(task, steps) for task in tasks]) for name, title, tasks in _chapters(dag)
        ],
    )


def _has_target(dag: Any) -> bool:
    """The procedure works at two sites, according to its lock."""
    return any(len(getattr(task, "sites", ())) > 1 for task in dag.tasks)


def _params(dag: Any, given: dict[str, Any]) -> dict[str, Any]:
    from airflow.sdk.exceptions import ParamValidationError

    names = list(dag.params)
    if unknown := sorted(set(given) - set(names)):
        raise PermanentError(
            f"{dag.dag_id} has no parameter {', '.join(unknown)}.",
            f"Give only these: {', '.join(names)}.",
        )
    values: dict[str, Any] = {}
    for name in names:
        param = dag.params.get_param(name)
        if name not in given and param.value is None:
            # What a run requires is not needed for its steps.
            values[name] = None
            continue
        try:
            values[name] = param.resolve(given[name]) if name in given else param.resolve()
        except ParamValidationError as error:
            reason = str(error).strip().splitlines()[0]
            raise PermanentError(f"The parameter {name} is wrong: {reason}", "Correct it.") from None
    return values


def _step(dag: Any, topology: Topology, params: dict[str, Any], *, begun: bool) -> Step:
    failover = is_failover(dag)
    step = UnconnectedStep(
        topology,
        begun=begun,
        deployment=topology.name,
        source=params.get("failed_site" if failover else "source") or "",
        target=params.get("survivor" if failover else "target") or "",
        failover=failover,
        plan_id=params.get("plan") or "(a plan that has not begun)",
        params=params,
    )
    return step


def _site(steps: Mapping[bool, Step], role: Literal["source", "target"]) -> str:
    return steps[True].at(role).name


def _chapters(dag: Any) -> Iterator[tuple[str, str, list[Any]]]:
    """Task groups and single tasks in their order; a nested group belongs to the outer one."""
    for node in dag.task_group.topological_sort():
        if hasattr(node, "children"):
            yield node.group_id, node.tooltip or "", list(_tasks(node))
        else:
            yield node.task_id, "", [node]


def _tasks(group: Any) -> Iterator[Any]:
    for node in group.topological_sort():
        if hasattr(node, "children"):
            yield from _tasks(node)
        else:
            yield node


def _line(doc: str, name: str) -> str:
    match = re.search(rf"^\*\*{name}:\*\* *(.*)$", doc, re.MULTILINE)
    return match[1].strip() if match else ""


def _task(task: Any, steps: Mapping[bool, Step] | None) -> OutlineTask:
    doc = task.doc_md or ""
    applies, why_not = _applies(task, steps[True]) if steps else (None, "")
    where = _line(doc, "Acts at").removeprefix("the ").removesuffix(" site")
    if steps and where in BOTH_ROLES:
        where = steps[True].at("source" if where == "source" else "target").name
    return OutlineTask(
        task_id=task.task_id,
        title=doc.strip().splitlines()[0] if doc.strip() else "",
        guide=readable(reference_text(task)),
        site=where,
        changes=_line(doc, "Changes"),
        undo=_line(doc, "Undo"),
        who=_who(task, steps[False] if steps else None),
        applies=applies,
        why_not=why_not,
        at_the_end=bool(task.is_teardown),
        after=sorted(task.upstream_task_ids),
    )


def _applies(task: Any, step: Step) -> tuple[bool | None, str]:
    from infomart_dr.operators.base import elsewhere

    if not hasattr(task, "does_not_apply"):
        return True, ""
    try:
        reason = elsewhere(step, task.option, task.architecture) or task.does_not_apply(step)
    except NotWithoutConnection:
        return None, ""
    return reason is None, reason or ""


def _who(task: Any, step: Step | None) -> Who:
    from infomart_dr.operators.human import Gate, HumanStep

    if isinstance(task, Gate):
        return "decision"
    if not isinstance(task, HumanStep):
        return "program"
    if step is None:
        return "open"
    try:
        return "program" if task.instructions(step) is None else "person"
    except NotWithoutConnection:
        return "open"
