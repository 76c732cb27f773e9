"""Two active Info Marts: one configuration, two servers, and a second Info Mart that is refilled."""

from __future__ import annotations

from typing import Any

from infomart_dr.errors import GuardError
from infomart_dr.guards.application import collecting_objects, configuration_differences, own_access_points
from infomart_dr.guards.dictionary import schema_differences
from infomart_dr.guards.server import server_runs, serving
from infomart_dr.hooks.configuration import Change
from infomart_dr.operators.base import CheckOperator, StepOperator
from infomart_dr.operators.configuration import ConfigurationOperator
from infomart_dr.operators.dump_set import CaptureScn
from infomart_dr.operators.etl_jobs import BringReportsIntoService
from infomart_dr.operators.human import HumanStep
from infomart_dr.operators.server import cross_point_of_no_return
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.topology import SiteRole

#: Differences in one message.
SHOWN = 8


class CaptureScnOfCopy(CaptureScn):
    """Take the SCN of a copy that is not replicated afterwards. From then on each server extracts for itself."""

    guide = "Operation Modes: how the database is copied (guide:224); Retrieve the current SCN (guide:857)"

    def act(self, step: Step, seen: Observation) -> None:
        if signs := server_runs(step, "source"):
            raise GuardError(f"The Info Mart Server runs: {', '.join(signs)}.", "Clear hold_scheduler with Downstream.")
        step.ledger.put_once(facts.SCN, int(step.at("source").dba.value("current_scn")))


class CreateInfoMart(HumanStep):
    """Create an empty Info Mart at the target. A person runs Genesys' scripts; this step checks the result."""

    guide = "Set up the Info Mart database at the second site (guide:224, guide:372-374)"
    changes = "the Info Mart's schema at the target"
    undo = "drop the schema's objects"
    under_lock = False

    def observe(self, step: Step) -> Observation:
        rows = step.at("target").dba.select("tables", owner=step.schema)
        what = f"{step.schema} at {step.at('target').name} has {len(rows)} tables"
        if not {row["table_name"] for row in rows} >= {"CTL_EXTRACT_HWM", "INTERACTION_FACT"}:
            return Observation(False, f"{what}, but not those of an Info Mart")
        if found := schema_differences(step):
            more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            return Observation(
                False, f"{what}; it differs from {step.at('source').name}: {'; '.join(found[:SHOWN])}{more}"
            )
        return Observation(True, f"{what}, as at {step.at('source').name}")

    def instructions(self, step: Step) -> str | None:
        seen = self.observe(step)
        if seen.satisfied:
            return None
        database = step.at("target").settings.database
        return (
            f"Now: {seen.summary}.\n\n"
            f"1. On service `{database.service}` at {step.at('target').name}, run the scripts of the Genesys Info Mart "
            f"{step.topology.info_mart.release} installation as the user `{step.schema}`.\n"
            "2. Its schema must be identical to that of the other Info Mart.\n"
            "3. Answer *Done*. This step then compares both schemas."
        )

    def confirmed(self, step: Step) -> Observation | None:
        return self.observe(step)


class KeepConfigurationInStep(ConfigurationOperator):
    """Give the target's server the source server's configuration, but its own host and Info Mart; use all sources."""

    guide = "Set up the second Application (guide:364-366); keep both in sync (guide:380); Operation Modes (guide:223)"
    changes = "both servers' Application objects; DAPs and ICONs of the target are enabled"
    undo = "the task log lists the differences, old value first"

    def wanted(self, step: Step) -> dict[str, Change]:
        backend = step.at(self.role).configuration
        collecting = sorted({*collecting_objects(step, "source"), *collecting_objects(step, "target")})
        here, there = step.at("target").settings.info_mart_server, step.at("source").settings.info_mart_server
        connect, disconnect, options = list(collecting), [there.dap], {}
        # Where a person configures, no object can be read; the instructions say to copy the rest.
        if step.at(self.role).settings.configuration.backend != "manual":
            own = own_access_points(step)
            wanted = {*collecting, *backend.read(step.at("source").application).connections} - own
            found = set(backend.read(step.at("target").application).connections) - own
            connect, options = sorted(wanted), self._options(backend, step)
            disconnect += sorted(found - wanted)
        target = Change(
            host=here.host_object,
            command_line=here.command_line,
            connect=[here.dap, *connect],
            disconnect=disconnect,
            options=options,
        )
        changes: dict[str, Change] = {name: Change(enabled=True) for name in collecting}
        changes[step.at("source").application] = Change(connect=collecting)
        changes[step.at("target").application] = target
        return changes

    def instructions(self, step: Step) -> str | None:
        text = super().instructions(step)
        if text is None:
            return None
        source, target = step.at("source").application, step.at("target").application
        return (
            f"{text}\n\nThe two objects must be equal otherwise: copy every other connection and every option of "
            f"`{source}` to `{target}`. They differ in host, command line and the Info Mart's DAP only."
        )

    @staticmethod
    def _options(backend: Any, step: Step) -> dict[str, dict[str, str]]:
        options = {
            section: dict(entries) for section, entries in backend.read(step.at("source").application).options.items()
        }
        # The other server's scheduler may be off for the export.
        options.setdefault("schedule", {})["run-scheduler"] = "true"
        return options


class CompareConfiguration(CheckOperator):
    """Compare the two servers' Application objects. They may differ only in host, command line and Info Mart."""

    guide = "Keep the configuration of the two servers in sync (guide:380)"

    def does_not_apply(self, step: Step) -> str | None:
        if step.at("source").settings.configuration.backend == "manual":
            return "the Application objects cannot be read (configuration.backend is manual)"
        return None

    def observe(self, step: Step) -> Observation:
        backend = step.at("source").configuration
        names = step.at("source").application, step.at("target").application
        found = configuration_differences(step, backend.read(names[0]), backend.read(names[1]))
        if found:
            return Observation(False, f"{names[0]} and {names[1]} differ: {'; '.join(found[:8])}")
        return Observation(True, f"{names[0]} and {names[1]} have the same configuration")

    def next_step(self) -> str:
        return (
            "Correct the source's object and clear keep_configuration_in_step with Downstream, or correct the target's "
            "object by hand and clear this task."
        )


class StartSecondServer(StepOperator):
    """Start the second Info Mart Server. Each of the two servers has an Info Mart of its own."""

    guide = "Start the second Genesys Info Mart Server (guide:376-378, guide:417)"
    changes = "the target's server runs"
    undo = "stop it; the other server keeps serving"
    settle_seconds = 30

    def observe(self, step: Step) -> Observation:
        noted = step.ledger.get(facts.POINT_OF_NO_RETURN)
        seen = serving(step, "target")
        return Observation(seen.satisfied and noted is not None, seen.summary)

    def act(self, step: Step, seen: Observation) -> None:
        if step.at("target").settings.configuration.backend != "manual":
            connected = set(step.at("target").configuration.read(step.at("target").application).connections)
            own = step.at("target").settings.info_mart_server.dap
            if connected & own_access_points(step) != {own}:
                raise GuardError(
                    f"{step.at('target').application} is connected to {sorted(connected & own_access_points(step))}. "
                    f"It must be connected to {own} only, or two servers write to one Info Mart.",
                    "Clear keep_configuration_in_step with Downstream.",
                )
        cross_point_of_no_return(
            step, lambda: step.at("target").management_layer.start(step.at("target").application_dbid)
        )

    def next_step(self) -> str:
        return "Read the server's log at the target, correct the cause, then clear this task."


class BringChosenReports(BringReportsIntoService):
    """Bring the reports into service at the site that the run chose. All reports come from one Info Mart."""

    guide = "Return to Normal 1: which instance serves the reports (guide:415-416); Operation Modes (guide:228)"

    def does_not_apply(self, step: Step) -> str | None:
        chosen: SiteRole = "target" if step.params.get("report_source") == "target" else "source"
        if chosen != self.role:
            return f"the run asks for reports from {step.at(chosen).name}"
        return super().does_not_apply(step)
