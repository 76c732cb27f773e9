"""This run is the deployment's newest, and the site that it starts is the one that serves.

A run whose site was lost knows nothing of the failover that came after it: lock and ledger of both are at different
sites. So what starts a server, or moves the Application object, asks every site of the plan first.
"""

from __future__ import annotations

import logging
import time

from infomart_dr.errors import GuardError, InfoMartError, OvertakenError, TransientError
from infomart_dr.guards.application import application_host
from infomart_dr.guards.server import second_server, server_runs
from infomart_dr.plan import facts
from infomart_dr.plan.epochs import Epoch
from infomart_dr.plan.step import Step
from infomart_dr.times import shown
from infomart_dr.topology import SiteRole

log = logging.getLogger(__name__)


def overtaken_by(step: Step) -> Epoch | None:
    """The run that has taken the deployment since this one; None: this one is the newest.

    :raises TransientError: a site does not answer, and nothing else proves that nobody failed over to it.
    """
    own = step.epochs.current()
    if own is None:
        return None
    if not own.is_of(step.owner):
        return own
    found, silent = step.epochs.elsewhere()
    for epoch in sorted(found.values(), key=lambda each: each.number, reverse=True):
        if epoch.overtakes(own):
            return epoch
    other = step.at(_other(step)).name
    if not step.failover and other in silent and step.topology.architecture == "active-standby":
        _prove_no_failover(step, silent[other])
    return None


def prove_newest(step: Step) -> None:
    """Prove that no other run has taken the deployment.

    :raises OvertakenError: one has.
    """
    if (newer := overtaken_by(step)) is not None:
        raise OvertakenError(
            f"{newer} has taken the deployment since this run had it. This run may change nothing any more.",
            f"See that run. Start a new run of this procedure where it is still needed: {step.plan_id} is out of date.",
            epoch=newer.number,
        )


def prove_may_serve(step: Step, role: SiteRole) -> None:
    """Prove that the Info Mart Server may start at a site: no other site serves by the newest note.

    :raises OvertakenError: another run has taken the deployment.
    :raises GuardError: another site serves.
    """
    prove_newest(step)
    service, name = step.epochs.service(), step.at(role).name
    if service is None or service.site == name or step.topology.architecture == "active-active":
        return
    raise GuardError(
        f"The Info Mart Server at {name} may not start: {service}.",
        f"Compare both sites. If a person has moved the service to {name} by hand, start the server there by hand and "
        "start a new run: it sees which server runs, and corrects the note.",
    )


def _other(step: Step) -> SiteRole:
    return "source" if step.failover else "target"


def _prove_no_failover(step: Step, silence: InfoMartError) -> None:
    """Prove without the target that nobody has failed over to it.

    A failover moves the Application object to its site, and follows a loss of the source.

    :param silence: the error with which the target did not answer.
    """
    source, target = step.at("source"), step.at("target")
    host = application_host(step, "source")
    if host is not None and host != target.settings.info_mart_server.host_object:
        log.info("observe: %s does not answer; the Application object is not there, so nobody failed over", target.name)
        return
    stopped = step.ledger.get(facts.SERVER_TOUCHED) or step.ledger.get(facts.LOADING_STOPPED)
    if host is None or step.ledger.has(facts.APPLICATION_MOVED):
        started = time.time() - max(float(row["seconds_up"]) for row in source.dba.select("instance"))
        if stopped is not None and started < stopped:
            log.warning(
                "observe: %s does not answer; the database of %s has run since %s, so it was not lost, and nobody "
                "failed over",
                target.name,
                source.name,
                shown(started),
            )
            return
    raise TransientError(
        f"{target.name} does not answer ({silence.what.rstrip('.')}), and a failover to it cannot be ruled out.",
        f"THE SERVICE MAY BE DOWN. Find out whether {target.name} serves. If it does not, start the Info Mart Server "
        f"at {source.name} by hand now.",
    )


def note_observed_service(step: Step, role: SiteRole) -> None:
    """Note that a site serves, after its server was seen running.

    :raises GuardError: by the newest note the other site serves, and its server runs too.
    """
    service, name, other = step.epochs.service(), step.at(role).name, step.pair.other(role)
    if step.topology.architecture == "active-active" or (service is not None and service.site == name):
        return
    if service is not None:
        if service.site == step.at(other).name and (signs := server_runs(step, other)):
            raise second_server(step, other, signs)
        log.warning("observe: the ledger says that %s; the server runs at %s: corrected", service, name)
    epoch = step.epochs.current()
    if epoch is not None:
        step.epochs.serves(name, epoch)
