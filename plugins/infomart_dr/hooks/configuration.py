"""Application objects of the Configuration Layer: read, compare, change, and read again.

There are two backends: GAX (:mod:`infomart_dr.hooks.gax`), and, without it, a person who gets exact instructions and
confirms.
"""

from __future__ import annotations

from typing import Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from infomart_dr.errors import PermanentError

#: Object state: 1 Enabled, 2 Disabled.
ENABLED, DISABLED = 1, 2
#: Documented default of an Info Mart Server option, for an object without this option.
OPTION_DEFAULTS = {("schedule", "run-scheduler"): "false", ("schedule", "run-aggregates"): "true"}


class Model(BaseModel):
    """Base of the models here: strict and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Application(Model):
    """An Application object.

    :param state: 1 Enabled, 2 Disabled; None when the backend does not report it.
    :param options: value by section and option.
    :param raw: the complete object as the backend gave it; a change must send it back complete.
    """

    name: str
    dbid: int
    type: str | int | None = None
    state: int | None = None
    host: str | None = None
    command_line: str | None = None
    connections: list[str] = Field(default_factory=list)
    options: dict[str, dict[str, str]] = Field(default_factory=dict)
    version: int | str | None = None
    raw: dict[str, Any] = Field(default_factory=dict, repr=False)


class Change(Model):
    """The wanted state of an Application object; a field that is None or empty stays unchanged.

    :param host: name of the Host object.
    :param command_line: Startup Command Line.
    :param connect: connections that must exist.
    :param disconnect: connections that must not exist.
    :param options: value by section and option.
    :param enabled: the object's state.
    """

    host: str | None = None
    command_line: str | None = None
    connect: list[str] = Field(default_factory=list)
    disconnect: list[str] = Field(default_factory=list)
    options: dict[str, dict[str, str]] = Field(default_factory=dict)
    enabled: bool | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        both = sorted(set(self.connect) & set(self.disconnect))
        if both:
            raise ValueError(f"connect and disconnect both name {', '.join(both)}")
        return self


class Difference(Model):
    """One field that differs from the wanted value; None means: missing."""

    field: str
    found: str | None
    wanted: str | None

    def __str__(self) -> str:
        def shown(value: str | None) -> str:
            return "(missing)" if value is None else repr(value)

        return f"{self.field}: {shown(self.found)} -> {shown(self.wanted)}"


class Verification(Model):
    """Result of the check of an object after a change.

    :param proven: True only when the object was read and has the wanted values.
    """

    proven: bool
    differences: list[Difference] = Field(default_factory=list)
    message: str


# -- pure functions ----------------------------------------------------------------------------------


def differences(application: Application, change: Change) -> list[Difference]:
    """Differences that a change would remove, in the order host, command line, connections, options, state."""
    found: list[Difference] = []

    def compare(field: str, before: str | None, after: str | None) -> None:
        if before != after:
            found.append(Difference(field=field, found=before, wanted=after))

    if change.host is not None:
        compare("host", application.host, change.host)
    if change.command_line is not None:
        compare("command_line", application.command_line, change.command_line)
    for name in dict.fromkeys(change.connect):
        compare(f"connection {name}", name if name in application.connections else None, name)
    for name in dict.fromkeys(change.disconnect):
        compare(f"connection {name}", name if name in application.connections else None, None)
    for section, options in change.options.items():
        for option, value in options.items():
            compare(f"[{section}] {option}", application.options.get(section, {}).get(option), value)
    if change.enabled is not None:
        compare(
            "state",
            None if application.state is None else str(application.state),
            str(ENABLED if change.enabled else DISABLED),
        )
    return found


def inverse(application: Application, change: Change) -> Change:
    """The change that restores an object's present values, after another change was made.

    GAX offers no way to remove an option: an option that is missing now gets its documented default, or stays.
    """
    options: dict[str, dict[str, str]] = {}
    for section, entries in change.options.items():
        before = application.options.get(section, {})
        known = {name: before.get(name, OPTION_DEFAULTS.get((section, name))) for name in entries}
        kept = {name: value for name, value in known.items() if value is not None}
        if kept:
            options[section] = kept
    return Change(
        host=application.host if change.host is not None else None,
        command_line=application.command_line if change.command_line is not None else None,
        connect=[name for name in change.disconnect if name in application.connections],
        disconnect=[name for name in change.connect if name not in application.connections],
        options=options,
        enabled=application.state == ENABLED if change.enabled is not None and application.state is not None else None,
    )


# -- backends ----------------------------------------------------------------------------------------


class ConfigurationBackend(Protocol):
    """A way to change Application objects."""

    #: False: a person does it, at a gate.
    automatic: bool

    def read(self, name: str) -> Application:
        """An Application object by name."""

    def apply(self, name: str, change: Change) -> list[Difference]:
        """Give an object the wanted values; returns the changed fields, none when it had these values already."""

    def verify(self, name: str, change: Change) -> Verification:
        """Check whether an object has the wanted values."""


class ManualConfiguration:
    """A person changes Application objects at a gate, with exact instructions."""

    automatic = False

    def read(self, name: str) -> Application:
        """Not possible.

        :raises PermanentError: always.
        """
        raise PermanentError(
            f"The Application object {name} cannot be read: configuration.backend is manual.",
            "Open it in GAX or Configuration Manager, or set up the backend gax.",
        )

    def apply(self, name: str, change: Change) -> list[Difference]:
        """Not possible.

        :raises PermanentError: always, with the instructions as the next step.
        """
        raise PermanentError(
            f"The Application object {name} cannot be changed: configuration.backend is manual.",
            self.instructions(name, change),
        )

    def verify(self, name: str, change: Change) -> Verification:
        """Never proven: the only evidence is the person's confirmation, and the server's log after its start."""
        return Verification(
            proven=False,
            message=f"The backend manual cannot read {name}. The only evidence of the change is the confirmation at "
            "the gate; later the Info Mart Server's log after its start shows it.",
        )

    def instructions(self, name: str, change: Change) -> str:
        """Numbered steps for a person, each with the exact value to copy on its own line.

        :returns: Markdown.
        """
        steps: list[str] = []
        if change.host is not None:
            steps.append(f"Tab Server Info: set **Host** to\n\n   ```\n   {change.host}\n   ```")
        if change.command_line is not None:
            steps.append(f"Tab Start Info: set **Command Line** to\n\n   ```\n   {change.command_line}\n   ```")
        # The old access point is removed first: only one may have the role INFO_MART.
        for connection in dict.fromkeys(change.disconnect):
            steps.append(
                f"Tab Connections: remove the connection\n\n   ```\n   {connection}\n   ```\n   "
                "(nothing to do if it is missing)"
            )
        for connection in dict.fromkeys(change.connect):
            steps.append(
                f"Tab Connections: add the connection\n\n   ```\n   {connection}\n   ```\n   "
                "(nothing to do if it exists)"
            )
        for section, options in change.options.items():
            for option, value in options.items():
                steps.append(f"Tab Options, section **[{section}]**: set **{option}** to\n\n   ```\n   {value}\n   ```")
        if change.enabled is not None:
            steps.append(f"Tab General: {'set' if change.enabled else 'clear'} **State Enabled**.")
        if not steps:
            return f"The Application object `{name}` needs no change."
        steps = [
            f"Open GAX or Configuration Manager and the Application object\n\n   ```\n   {name}\n   ```",
            *steps,
            "Save the object, open it again and compare each value with the steps above.",
        ]
        return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))
