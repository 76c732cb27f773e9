"""The route of the dump set from host to host."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infomart_dr.guards import fencing, fitness, hosts
from infomart_dr.hooks.connections import connection
from infomart_dr.readiness.context import CheckContext
from infomart_dr.readiness.report import Check, Verdict, blocked, faults, not_checked, of_faults, ok
from infomart_dr.topology import SiteRole


def _rsync(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    if step.topology.transfer.method == "relay":
        return not_checked("files travel through Airflow's machine (transfer.method is relay)")
    program = step.topology.transfer.rsync
    done = step.at(role).host().run([program, "--version"], check=False)
    found = re.search(r"version\s+v?(\d+)\.(\d+)(\.\d+)?", done.stdout)
    if found is None:
        return blocked(
            f"{program} does not start on {step.at(role).settings.database.host}: "
            f"{(done.stderr or done.stdout).strip()[-200:] or f'exit code {done.exit_code}'}",
            "Install rsync there, correct transfer.rsync, or set transfer.method to relay.",
        )
    if int(found[1]) < 3:
        return blocked(f"{program} is {found[0]}", "Install rsync 3.0 or later.")
    return ok(f"rsync {found[0]}")


def known_host_faults(text: str, address: str, port: int, key_type: str, key: str) -> Iterator[str]:
    """The faults of a host's entry in a known_hosts file, hashed entries included.

    :param text: the file's text.
    :param key_type: type of the key that Airflow knows, such as ``ssh-ed25519``.
    :param key: that key in base64.
    """
    from io import StringIO

    import paramiko
    from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

    wanted = address if port == 22 else f"[{address}]:{port}"
    entries = paramiko.HostKeys()
    for line in StringIO(text):
        try:
            entry = HostKeyEntry.from_line(line.strip()) if line.strip() and not line.startswith("#") else None
        except (InvalidHostKey, paramiko.SSHException):
            # An unreadable line is skipped.
            entry = None
        if entry is not None and entry.hostnames and entry.key is not None:
            for name in entry.hostnames:
                entries.add(name, entry.key.get_name(), entry.key)
    found = entries.lookup(wanted)
    if not found:
        yield f"there is no host key of {wanted}"
    elif key_type in found and found[key_type].get_base64() != key:
        yield f"the {key_type} host key of {wanted} differs from the one in Airflow's connection"


def _transfer_route(context: CheckContext, role: SiteRole) -> Verdict:
    """The route of the dump set from host to host: the port answers, both keys exist, and a login starts rsync."""
    step = context.step
    topology = step.topology
    if topology.transfer.method == "relay":
        return not_checked("files travel through Airflow's machine (transfer.method is relay)")
    source, target = step.at("source").settings.database.host, step.at("target").settings.database.host
    reach = topology.reach(target, step.at("source").name)
    if reach is None:
        return blocked(
            f"the topology does not say how {step.at('source').name} reaches {target}",
            f"Add hosts.{target}.seen_from.{step.at('source').name}, or set transfer.method to relay.",
        )
    host, settings = step.at("source").host(), topology.host(source)
    endpoint = fencing.Endpoint(f"SSH of {target}", reach.address, reach.ssh_port)
    state = fencing.probe_from(host, [endpoint], topology.fencing.timeout)[0]
    if state not in ("answers", "open"):
        return blocked(
            f"{endpoint} is {state} (probed from {source})",
            "Open the port between the database hosts, correct seen_from, or set transfer.method to relay.",
        )
    wrong = []
    if settings.transfer_key and not host.exists(settings.transfer_key):
        wrong.append(f"the key {settings.transfer_key} is missing on {source}")
    file = settings.known_hosts or ".ssh/known_hosts"
    text = host.read_file(file) if host.exists(file) else ""
    known = connection(topology.host(target).ssh_connection).extra_dejson.get("host_key")
    words = str(known or "").split()
    if len(words) == 1:
        words = ["ssh-rsa", *words]
    if len(words) >= 2:
        wrong += [
            f"{each} ({file} on {source})"
            for each in known_host_faults(text, reach.address, reach.ssh_port, words[0], words[1])
        ]
    remedy = f"Install the key and the known host on {source}: rsync runs without prompts and refuses unknown hosts."
    if not wrong:
        fault = hosts.login_fault(host, settings, topology.host(target).user, reach, topology.transfer.rsync)
        if fault is not None:
            return blocked(f"{source} cannot start rsync at {target}: {fault.what}", fault.next_step)
    fine = f"{source} logs in at {target} ({reach.address}:{reach.ssh_port}), and rsync starts there"
    return faults(wrong, fine, remedy)


def _settings(context: CheckContext, role: SiteRole) -> Verdict:
    return of_faults(
        [*fitness.setting_faults(context.step), *fitness.dump_file_faults(context.step)],
        "character sets, time zone files, COMPATIBLE and edition fit",
    )


def _objects(context: CheckContext, role: SiteRole) -> Verdict:
    return of_faults(
        fitness.missing_object_faults(context.step),
        f"{context.step.at('target').name} has the tablespaces, profile, roles and grantees of {context.step.schema}",
    )


SETTINGS = Check(
    "database_settings",
    "Character sets, time zone file, COMPATIBLE of both databases; edition and data_pump.parallel; at most 99 dump "
    "files before 12.2",
    _settings,
    needs=("dba_connection",),
    once=True,
)
OBJECTS = Check(
    "target_objects",
    "The target has the tablespaces, the profile, the roles and the grantees of the source's schema",
    _objects,
    needs=("dba_connection",),
    once=True,
)
RSYNC = Check("rsync", "rsync starts on both database hosts, 3.0 or later", _rsync, needs=("database_host",))
ROUTE = Check(
    "transfer_route",
    "The source's database host reaches the target's: port, private key, the same host key as Airflow's, a login that "
    "starts rsync",
    _transfer_route,
    needs=("database_host",),
    once=True,
)
