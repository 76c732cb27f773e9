"""The task of watching: green whatever it finds; each alert is sent once, by the first Airflow that finds it."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import AssetAlias
from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
from airflow.sdk.execution_time.context import OutletEventAccessors
from tests.unit.evidence.watch_fakes import FakeSite

from infomart_dr import settings
from infomart_dr.errors import PermanentError, UnreachableError
from infomart_dr.evidence import watching
from infomart_dr.evidence.watch_store import WatchStore
from infomart_dr.evidence.watching import Finding, Roles
from infomart_dr.guards import survey
from infomart_dr.guards.survey import Survey
from infomart_dr.hooks import metrics
from infomart_dr.notifiers import outbox
from infomart_dr.operators import watch
from infomart_dr.operators.deployments import ListDeployments
from infomart_dr.operators.watch import ALERTS, REPLICATION_STATES, WatchDeployment
from infomart_dr.topology import Watch

ROLES = Roles.of(
    SimpleNamespace(  # type: ignore[arg-type]
        architecture="active-standby",
        sites={
            "site1": SimpleNamespace(role="active", purged_idbs=[]),
            "site2": SimpleNamespace(role="standby", purged_idbs=[SimpleNamespace(name="ts1")]),
        },
    )
)
STOPPED = Finding("site2/groups/RGIM", "critical", "RGIM is STOPPED.", "Start it.", {"lag_seconds": 3})
DISK = Finding("site1/trail/disk", "warning", "The disk fills.", "Add space.")


class FakeDeployment:
    """Two sites with a ledger each."""

    def __init__(self, connection: str | None = None) -> None:
        self.sites = {"site1": FakeSite(), "site2": FakeSite()}
        self.topology: Any = SimpleNamespace(name="lab", watch=Watch(alert_connection=connection), tickets=None)

    def __enter__(self) -> FakeDeployment:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def site(self, name: str) -> Any:
        return SimpleNamespace(goldengate=SimpleNamespace(schema_name="GGATE", release="19.1"))

    def goldengate_database(self, site: str) -> Any:
        return self.sites[site]


class World:
    """Findings of the next surveys, and the alerts that they sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, connection: str | None = None) -> None:
        self.deployment = FakeDeployment(connection)
        self.findings: list[Finding] = []
        self.now = 1_800_000_000.0
        self.figures: list[tuple[str, dict[str, str], float]] = []
        self.sent: list[tuple[str, float, dict[str, str]]] = []
        monkeypatch.setattr(watch, "Deployment", lambda name: self.deployment)
        monkeypatch.setattr(survey, "bounded", lambda topology: topology)
        monkeypatch.setattr(survey, "survey", lambda deployment, token: self.seen())
        monkeypatch.setattr(metrics, "send", lambda name, value, **tags: self.sent.append((name, value, tags)))

    def seen(self) -> Survey:
        copies = {}
        for name, site in self.deployment.sites.items():
            if not site.away:
                with site.transaction() as session:
                    copies[name] = WatchStore("GGATE", "lab").read(session)
        state = max((copy.state for copy in copies.values()), key=lambda s: s.number, default=watching.State())
        judged = {
            s for s in ROLES.subjects() if not (site := self.deployment.sites.get(s.split("/")[0])) or not site.away
        }
        return Survey(ROLES, self.now, state.model_copy(deep=True), list(self.findings), judged, self.figures, copies)

    def look(self, after: float = 300, events: Any = None) -> Any:
        """Run the task once more, some seconds later: its asset events and its XCom."""
        self.now += after
        accessors = events if events is not None else OutletEventAccessors()
        context: dict[str, Any] = {"params": {}, "outlet_events": accessors}
        result = WatchDeployment(task_id="watch", deployment="lab").execute(context)  # type: ignore[arg-type]
        left = {alias.name: accessor.asset_alias_events for alias, accessor in accessors.items()}
        return SimpleNamespace(
            result=result,
            label=context["watched"],
            told=[(event.extra["what"], event.extra["key"]) for event in left.get(ALERTS, [])],
            events=left.get(ALERTS, []),
            states=[(event.extra["before"], event.extra["state"]) for event in left.get(REPLICATION_STATES, [])],
        )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_survey_with_findings_succeeds_and_its_label_and_xcom_say_them(world: World) -> None:
    assert world.look().label == "lab: ok"
    world.findings = [STOPPED, DISK, Finding("site1/lock/plan", "info", "A plan.")]
    seen = world.look()
    assert seen.label == "lab: 1 critical, 1 warning"
    assert seen.result["findings"][0]["sentence"] == "RGIM is STOPPED."
    assert [alert["key"] for alert in seen.result["alerts"]] == ["site2/groups/RGIM", "site1/trail/disk"]


def test_an_alert_is_an_event_of_the_deployments_asset_once_and_its_end_once(world: World) -> None:
    world.findings = [STOPPED]
    seen = world.look()
    assert seen.told == [("began", "site2/groups/RGIM")]
    event = seen.events[0]
    assert event.dest_asset_key.uri == "infomart-dr://lab/alert"
    assert event.extra["deployment"] == "lab" and event.extra["remedy"] == "Start it."
    assert event.extra["numbers"] == {"lag_seconds": 3} and "waits" not in event.extra
    assert world.look().told == []
    world.findings = []
    assert world.look().told == [("ended", "site2/groups/RGIM")]
    assert world.look().told == []


def test_the_state_of_the_replication_is_an_event_of_its_own_when_it_changes(world: World) -> None:
    world.findings = [DISK]
    assert world.look().states == [], "a disk is not the replication"
    world.findings = [STOPPED]
    assert world.look().states == [("ok", "critical")]
    assert world.look().states == []
    world.findings = []
    assert world.look().states == [("critical", "ok")]


def test_two_airflows_that_survey_at_the_same_time_send_once(world: World) -> None:
    world.findings = [STOPPED, DISK]
    with ThreadPoolExecutor(4) as pool:
        told = [each for seen in pool.map(lambda _: world.look(after=0), range(4)) for each in seen.told]
    assert sorted(told) == [("began", "site1/trail/disk"), ("began", "site2/groups/RGIM")]
    assert world.look().told == []


def test_an_alert_whose_task_died_before_it_was_sent_is_sent_by_a_later_survey(world: World) -> None:
    class Dies(dict):  # type: ignore[type-arg]
        def __getitem__(self, key: object) -> Any:
            raise SystemExit("killed")

    world.findings = [STOPPED]
    with pytest.raises(SystemExit):
        world.look(events=Dies())
    assert world.look(after=15).told == [], "somebody may still be telling it"
    assert world.look().told == [("began", "site2/groups/RGIM")]
    assert world.look().told == []


def test_the_other_sites_copy_goes_on_when_the_active_site_is_away_and_an_old_copy_that_comes_back_is_not_believed(
    world: World,
) -> None:
    world.findings = [STOPPED]
    world.look()
    world.deployment.sites["site1"].away = True
    assert world.look().told == [], "site2 knows what was told"
    world.findings = []
    assert world.look().told == [("ended", "site2/groups/RGIM")]
    world.deployment.sites["site1"].away = False
    assert world.look().told == [], "site1's copy says that it still stands"


def test_a_survey_that_reaches_no_database_is_red_and_says_what_it_met(world: World) -> None:
    for site in world.deployment.sites.values():
        site.away = True
    world.findings = [watching.not_seen("site1/database", UnreachableError("no listener answers."))]
    with pytest.raises(UnreachableError, match=r"(?s)No database of lab .*site1: no listener answers"):
        world.look()


def test_figures_are_sent_with_the_deployment_also_by_a_survey_that_came_second(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.figures = [("lag_seconds", {"source": "site1", "target": "site2"}, 0.4)]
    monkeypatch.setattr(WatchStore, "replace", lambda *_: False)
    world.findings = [STOPPED]
    seen = world.look()
    assert seen.told == [] and seen.result["alerts"] == []
    assert world.sent == [("lag_seconds", 0.4, {"deployment": "lab", "source": "site1", "target": "site2"})]


class Receiver:
    """A webhook that can be away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away = False
        #: Raised by a post, whose number counts from 1.
        self.breaks: dict[int, Exception] = {}
        self.limits: list[float] = []
        self.during: Any = lambda: None
        self.tries = 0
        self.got: list[tuple[str, dict[str, Any]]] = []
        receiver = self

        class Webhook:
            def __init__(self, connection_id: str, *, limit: float) -> None:
                assert connection_id == "pager"
                receiver.limits.append(limit)

            def post(self, message: dict[str, Any], key: str) -> None:
                receiver.tries += 1
                receiver.during()
                if (error := receiver.breaks.get(receiver.tries)) is not None:
                    raise error
                if receiver.away:
                    raise UnreachableError("no answer.", "Check it.")
                receiver.got.append((key, message))

        monkeypatch.setattr(watch, "Webhook", Webhook)


def test_a_webhook_that_is_away_gets_its_alerts_later_each_once_and_fails_no_survey(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, receiver = World(monkeypatch, "pager"), Receiver(monkeypatch)
    receiver.away = True
    world.findings = [STOPPED, DISK]
    assert len(world.look().told) == 2, "the asset's event does not wait for it"
    assert receiver.tries == 1, "nor is it waited for with each alert"
    assert world.look().told == []
    receiver.away = False
    assert world.look().told == []
    assert [message["key"] for _, message in receiver.got] == ["site2/groups/RGIM", "site1/trail/disk"]
    assert receiver.got[0][1]["deployment"] == "lab" and receiver.got[0][0].startswith("lab:site2/groups/RGIM:")
    world.look()
    assert len(receiver.got) == 2


@pytest.mark.parametrize(
    "error", [RuntimeError("no such secret"), ValueError("unknown scheme"), PermanentError("HTTP 400.")], ids=repr
)
def test_whatever_goes_wrong_around_the_webhook_fails_no_survey_and_is_logged_with_its_type(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    world, receiver = World(monkeypatch, "pager"), Receiver(monkeypatch)
    monkeypatch.setattr(WatchDeployment, "log", logging.getLogger("watch"))
    receiver.breaks = {1: error}
    world.findings = [STOPPED]
    assert world.look().told == [("began", "site2/groups/RGIM")]
    assert f"{type(error).__name__}: {error}" in caplog.text
    world.look()
    assert [message["key"] for _, message in receiver.got] == ["site2/groups/RGIM"], "it has waited"


def test_a_webhook_that_refuses_one_alert_gets_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    world, receiver = World(monkeypatch, "pager"), Receiver(monkeypatch)
    receiver.breaks = {1: PermanentError("HTTP 400.")}
    world.findings = [STOPPED, DISK]
    world.look()
    assert [message["key"] for _, message in receiver.got] == ["site1/trail/disk"]


def test_the_webhook_gets_its_alerts_when_every_event_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    world, receiver = World(monkeypatch, "pager"), Receiver(monkeypatch)
    events, seen = OutletEventAccessors(), []
    receiver.during = lambda: seen.append({a.name: len(left.asset_alias_events) for a, left in events.items()})
    world.findings = [STOPPED, DISK]
    world.look(events=events)
    assert seen == [{ALERTS: 2, REPLICATION_STATES: 1}] * 2


def test_a_slow_webhook_holds_a_survey_no_longer_than_sending_may_last_and_gets_the_rest_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, receiver = World(monkeypatch, "pager"), Receiver(monkeypatch)
    monkeypatch.setattr(watch, "_SENDING", 0.2)
    receiver.during = lambda: time.sleep(0.25)
    world.findings = [STOPPED, DISK]
    assert len(world.look().told) == 2
    assert len(receiver.got) == 1 and receiver.limits[0] <= 0.2
    world.look()
    assert [message["key"] for _, message in receiver.got] == ["site2/groups/RGIM", "site1/trail/disk"]


def test_each_survey_sends_what_waits_for_tickets_at_the_sites_that_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(outbox, "deliver_pending", lambda deployment, sites: asked.append(list(sites)))
    world.look()
    world.deployment.sites["site1"].away = True
    world.look()
    monkeypatch.setattr(WatchStore, "replace", lambda *_: False)
    world.look()
    assert asked == [["site1", "site2"], ["site2"], ["site2"]], "also one that came second"


def test_alerts_that_nobody_takes_for_days_do_not_fill_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    world, receiver = World(monkeypatch, "pager"), Receiver(monkeypatch)
    receiver.away = True
    for number in range(150):
        world.findings = [STOPPED] if number % 2 else [STOPPED, DISK, Finding(f"site1/ggserr/{number}", "warning", "x")]
        world.look()
    world.findings = []
    receiver.away = False
    world.look()
    assert len(receiver.got) == 200
    assert receiver.got[-1][1]["what"] == "ended"


def test_markers_that_arrived_go_but_for_the_newest() -> None:
    assert watch.old_markers([]) == []
    arrived = ["watch:lab:1800000300.5", "watch:lab:999999999.0", "watch:lab:1800000000.0"]
    assert watch.old_markers(arrived) == ["watch:lab:999999999.0", "watch:lab:1800000000.0"]


@pytest.mark.parametrize(("release", "sites"), [("19.1", ["site1"]), ("11.2", ["site1", "site2"])])
def test_a_marker_is_removed_where_goldengate_carries_the_removal_and_at_both_ends_where_it_does_not(
    world: World, monkeypatch: pytest.MonkeyPatch, release: str, sites: list[str]
) -> None:
    settings = SimpleNamespace(goldengate=SimpleNamespace(schema_name="GGATE", release=release))
    monkeypatch.setattr(world.deployment, "site", lambda name: settings)
    seen = world.seen()
    seen.arrived["site1", "site2"] = {"watch:lab:1.0", "watch:lab:2.0"}
    task = WatchDeployment(task_id="watch", deployment="lab")
    removed = {site: task._needless_markers(world.deployment, seen, site) for site in ROLES.sites}  # type: ignore[arg-type]
    assert removed == {site: ["watch:lab:1.0"] if site in sites else [] for site in ROLES.sites}


def test_the_list_is_the_folders_or_what_the_run_asks_for(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bb", "aa"):
        (tmp_path / f"{name}.yaml").write_text("not: a topology")
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(tmp_path))
    task = ListDeployments(task_id="list")

    def listed(asked: str) -> list[str]:
        return task.execute({"params": {"deployment": asked}})  # type: ignore[typeddict-item]

    assert listed("") == ["aa", "bb"], "a file that is wrong fails its own task, and no other"
    assert listed("bb") == ["bb"]


@contextmanager
def backend(monkeypatch: pytest.MonkeyPatch, **options: bool) -> Any:
    monkeypatch.setattr(settings.conf, "getboolean", lambda section, key, fallback=False: options.get(key, False))
    sent: list[Any] = []
    monkeypatch.setattr(metrics, "gauge", lambda name, value, tags=None: sent.append((name, value, tags)))
    yield sent


@pytest.mark.parametrize(
    "settings",
    [{}, {"otel_on": True}, {"statsd_on": True, "statsd_influxdb_enabled": True}, {"statsd_datadog_enabled": True}],
)
def test_what_a_figure_belongs_to_goes_as_tags_where_the_backend_takes_them(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, bool]
) -> None:
    with backend(monkeypatch, **settings) as sent:
        metrics.send("lag_seconds", 0.4, deployment="lab", source="site1")
    assert sent == [("infomart_dr.watch.lag_seconds", 0.4, {"deployment": "lab", "source": "site1"})]


def test_plain_statsd_has_it_in_the_name_and_a_dot_splits_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with backend(monkeypatch, statsd_on=True) as sent:
        metrics.send("lag_seconds", 0.4, deployment="lab", source="a.b c")
    assert sent == [("infomart_dr.watch.lag_seconds.lab.a_b_c", 0.4, None)]


def test_opentelemetry_gets_a_figure_with_its_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's own logger over OpenTelemetry's own reader."""
    from airflow.sdk._shared.observability.metrics.otel_logger import SafeOtelLogger
    from airflow.sdk.observability import stats
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    stats.initialize(factory=lambda: SafeOtelLogger(MeterProvider([reader])), export_legacy_names=True)
    try:
        metrics.send("trail_free_bytes", 5e9, deployment="lab", site="site1")
        data = reader.get_metrics_data()
    finally:
        stats.initialize(factory=NoStatsLogger, export_legacy_names=True)
    (found,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert found.name == "airflow.infomart_dr.watch.trail_free_bytes"
    points = [(point.value, dict(point.attributes)) for point in found.data.data_points]
    assert (5e9, {"deployment": "lab", "site": "site1"}) in points


def test_statsd_gets_a_figure_under_its_full_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's own logger over a client that records its messages."""
    from airflow.sdk._shared.observability.metrics.statsd_logger import SafeStatsdLogger
    from airflow.sdk.observability import stats

    monkeypatch.setattr(settings, "metrics_take_tags", lambda: False)
    sent: list[Any] = []
    client = SimpleNamespace(gauge=lambda name, value, rate, delta: sent.append((name, value)))
    stats.initialize(factory=lambda: SafeStatsdLogger(client), export_legacy_names=True)
    try:
        metrics.send("hwm_age_seconds", 12.5, deployment="lab", site="site1", source="101")
    finally:
        stats.initialize(factory=NoStatsLogger, export_legacy_names=True)
    assert sent == [("infomart_dr.watch.hwm_age_seconds.lab.site1.101", 12.5)]


def test_the_outlets_are_aliases_that_dags_of_all_deployments_can_be_scheduled_on() -> None:
    from airflow.sdk import DAG

    with DAG("d", schedule=None):
        mapped = WatchDeployment.mapped(["a"], task_id="watch")
    assert mapped.outlets == [AssetAlias(ALERTS), AssetAlias(REPLICATION_STATES)]
