"""Base of the sensors: a query to a deployment, made in the task or, deferred, in the triggerer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

from infomart_dr.deployment import Deployment
from infomart_dr.errors import InfoMartError, TransientError
from infomart_dr.operators.base import RETRY_POLICY, raise_from
from infomart_dr.plan.step import Observation
from infomart_dr.triggers.condition import ConditionTrigger, path_of

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Seconds beyond the timeout after which Airflow ends a wait whose triggerer reports nothing.
_GRACE = 300.0


class DeploymentSensor(BaseSensorOperator):
    """A sensor that queries a deployment, through the connections that its topology names.

    A deferred sensor checks in the triggerer and holds no worker. ``poke_interval``, ``timeout``, ``soft_fail``,
    ``never_fail``, ``silent_fail`` and ``mode`` have Airflow's meaning. ``mode`` and ``exponential_backoff`` are only
    for a sensor that is not deferred.

    Errors keep their kind. Transient errors are tolerated for ``patience``; then the try fails and Airflow retries it
    (``retries``). Other errors end the task at once, whatever ``retries`` is, unless the task or the DAG has a
    ``retry_policy`` of its own. ``soft_fail`` skips after a timeout and never hides an error.

    :param deployment: name of the deployment; may be omitted when there is only one topology file.
    :param deferrable: default: ``[operators] default_deferrable``.
    :param patience: seconds for which transient errors in a row are tolerated. No effect in the mode ``reschedule``,
        where each such error ends the try.
    """

    template_fields: Sequence[str] = ("deployment",)
    #: ``(deployment, **arguments) -> Observation``, a function of a module: the triggerer imports it by its path.
    probe: ClassVar[Callable[..., Observation]]

    def __init__(
        self,
        *,
        deployment: str = "",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        patience: float = 600,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment
        self.deferrable = deferrable
        self.patience = patience
        if self.retry_policy is None:
            self.retry_policy = RETRY_POLICY
        self._trouble_since: float | None = None

    def arguments(self, context: Context) -> dict[str, Any]:
        """Plain JSON for the probe, without secrets: Airflow stores it in its database.

        :raises InfoMartError: a parameter is wrong.
        """
        raise NotImplementedError

    def question(self) -> str:
        """Dotted path of the probe, once the parameters are known."""
        return path_of(self.probe)

    # -- in the task -------------------------------------------------------------------------------

    def ask(self, context: Context) -> Observation:
        """Check once."""
        from airflow.sdk.module_loading import import_string

        with Deployment(self.deployment) as deployment:
            seen: Observation = import_string(self.question())(deployment, **self.arguments(context))
        self.log.info("observe: %s", seen.summary)
        return seen

    def poke(self, context: Context) -> PokeReturnValue:
        try:
            seen = self.ask(context)
        except TransientError as error:
            now = time.monotonic()
            self._trouble_since = self._trouble_since or now
            if (self.reschedule and not self.deferrable) or now - self._trouble_since >= self.patience:
                raise
            self.log.warning("The check failed: %s", error)
            return PokeReturnValue(False)
        self._trouble_since = None
        return PokeReturnValue(seen.satisfied, _result(seen.summary, seen.details))

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            return super().execute(context)
        try:
            found = self.poke(context)
        except InfoMartError as error:
            self._never(error)
            if not self.silent_fail:
                raise
            self.log.error("The check failed: %s", error)
            found = PokeReturnValue(False)
        if found.is_done:
            return found.xcom_value
        return self._defer(context)

    # -- in the triggerer --------------------------------------------------------------------------

    def _defer(self, context: Context) -> None:
        self.log.info("wait, with a check every %g s, for at most %g s", self.poke_interval, self.timeout)
        self.defer(
            trigger=ConditionTrigger(
                deployment=self.deployment,
                probe=self.question(),
                arguments=self.arguments(context),
                poll=self.poke_interval,
                deadline=time.time() + self.timeout,
                patience=self.patience,
                silent=self.silent_fail,
            ),
            method_name="resume",
            timeout=timedelta(seconds=self.timeout + self.poke_interval + _GRACE),
        )

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Continue after the deferral.

        :raises AirflowSensorTimeout: the goal was not reached in time; with ``soft_fail`` Airflow skips the task.
        """
        if event["state"] == "timeout":
            message = f"Sensor has timed out after {self.timeout:g} seconds: {event['summary']}"
            self.log.warning("%s", message)
            raise AirflowSensorTimeout(message)
        try:
            raise_from(event)
        except InfoMartError as error:
            self._never(error)
            raise
        self.log.info("observe: %s", event["summary"])
        return _result(event["summary"], event.get("details") or {})

    def _never(self, error: InfoMartError) -> None:
        """Skip the task with ``never_fail``, as Airflow does for an error of ``poke``."""
        if self.never_fail:
            raise AirflowSkipException(f"Skipping due to never_fail is set to True: {error}") from error


def _result(summary: str, details: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, **details}
