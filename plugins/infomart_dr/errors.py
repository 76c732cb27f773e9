"""Typed errors: a retryable error is retried; any other stops the step at once and says what to do next."""

from __future__ import annotations

from collections.abc import Sequence

#: The next step where only a fault of the product can be the cause.
REPORT_IT = "This is a fault of the product: report it with the log of the task."


class InfoMartError(Exception):
    """A step cannot continue.

    :param what: the finding, in one sentence.
    :param next_step: the reader's next action; shown after the finding.
    """

    #: Id of the task from which a person clears the run; empty: not known here.
    clear = ""
    #: True where waiting may remedy the error; the operators' retry policy reads this.
    retryable = False

    def __init__(self, what: str, next_step: str = "") -> None:
        self.what = what
        self.next_step = next_step
        super().__init__(what if not next_step else f"{what}\nNext: {next_step}")

    def advise(self, next_step: str, clear: str) -> None:
        """Replace the next step, once the failed task is known.

        :param clear: id of the task to clear.
        """
        self.next_step, self.clear = next_step, clear
        self.args = (f"{self.what}\nNext: {next_step}",)

    def __reduce__(self) -> tuple[object, ...]:
        # Without the constructor: kinds differ in what theirs asks for.
        return _again, (type(self), self.args), self.__dict__


def _again(kind: type[InfoMartError], args: tuple[object, ...]) -> InfoMartError:
    """An error of a kind before it gets its fields back, for a copy and in another process."""
    error = kind.__new__(kind)
    error.args = args
    return error


class TransientError(InfoMartError):
    """A retry may succeed: a lost connection, a host that restarts, a lock that somebody holds."""

    retryable = True


class UnreachableError(TransientError):
    """A host, listener or service does not answer, or answers too late."""


class PermanentError(InfoMartError):
    """A retry cannot succeed; a person must act."""


class TopologyError(PermanentError):
    """The topology file is wrong, or what it refers to.

    :param mistakes: the file's mistakes, one line each; empty: ``what`` is the only one.
    """

    def __init__(self, what: str, next_step: str = "", *, mistakes: Sequence[str] = ()) -> None:
        self.mistakes = tuple(mistakes) or (what,)
        super().__init__(what, next_step)


class RequestError(PermanentError):
    """A value that somebody has given is wrong, of a run a parameter: a clear cannot help, only a new run.

    The next step begins with *Give*; a run's task shows it as *Start a new run with*.
    """


class CredentialsError(PermanentError):
    """A password, key or host key was refused."""


class GuardError(PermanentError):
    """A condition that must hold before an irreversible step does not hold."""


class OvertakenError(PermanentError):
    """A newer try of the task, the run's back-out, or another run has taken its place; nothing may be changed.

    :param epoch: the newest epoch that was seen.
    """

    def __init__(self, what: str, next_step: str = "", *, epoch: int = 0) -> None:
        self.epoch = epoch
        super().__init__(what, next_step)


class RemoteCommandError(PermanentError):
    """A program on another host failed.

    :param exit_code: the program's exit code; None when a signal ended it or it vanished.
    :param output: the end of its output, without secrets.
    """

    def __init__(self, what: str, next_step: str = "", *, exit_code: int | None = None, output: str = "") -> None:
        self.exit_code = exit_code
        self.output = output
        super().__init__(what, next_step)


class UnexpectedReplyError(PermanentError):
    """A program's reply has a form that no parser here knows; the message contains the reply."""


def code_of(error: BaseException) -> str | None:
    """Oracle's code of a typed error, such as ``ORA-00001``."""
    return getattr(error, "code", None)


def class_name(error: InfoMartError) -> str:
    """Name of the error's nearest class in this module. It stands for the error across a deferral."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == __name__)


def class_of(name: str, *, retryable: bool) -> type[InfoMartError]:
    """The class of this module that :func:`class_name` named.

    :param retryable: decides where this module has no class of that name.
    """
    found = globals().get(name)
    if isinstance(found, type) and issubclass(found, (TransientError, PermanentError)):
        return found
    return TransientError if retryable else PermanentError
