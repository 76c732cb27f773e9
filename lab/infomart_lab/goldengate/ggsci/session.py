"""One run of ggsci: its site, home, database user and remaining input."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from infomart_lab import config as lab
from infomart_lab.config import LabConfig
from infomart_lab.goldengate.ggsci.commands import CommandError
from infomart_lab.goldengate.home import Home

if TYPE_CHECKING:
    from infomart_lab.goldengate.ggsci.database import Database

NOT_LOGGED_IN = "ERROR: Not logged into database, use DBLOGIN."


class Session:
    """One run of ggsci.

    :param lines: the input, of which some commands read an answer.
    """

    def __init__(self, config: LabConfig, site: str, lines: Iterator[str]) -> None:
        self.config = config
        self.site = site
        self.home = Home(config, site)
        self.wording = self.home.wording
        self.lines = lines
        self.user: str | None = None
        #: Container of the login; None where the site has no CDB.
        self.container: str | None = None
        self._database: Database | None = None

    def prompt(self, number: int) -> str:
        who = f"{self.site}-db"
        if self.user and self.wording != "11.2":
            service = self.config.service_name(self.site, "cdb" if self.container == lab.ROOT else "gim")
            who += f" as {self.user.lower()}@{service}" + (f"/{self.container}" if self.container else "")
        return f"GGSCI ({who}) {number}> "

    def answer(self, default: str = "") -> str:
        """Next line; the real program asks on the terminal."""
        return next(self.lines, default).strip()

    def says_yes(self) -> bool:
        """True when the next line says yes."""
        return self.answer("n").lower().startswith("y")

    def take_time(self) -> None:
        """The fault ``slow_register``: commands that write or lock the dictionary take that many seconds, or until the
        fault is withdrawn."""
        fault = f"{self.site}.goldengate.slow_register"
        if (seconds := lab.fault(self.config, fault)) is None:
            return
        end = time.monotonic() + float(str(seconds))
        while (left := end - time.monotonic()) > 0 and lab.fault(self.config, fault) is not None:
            time.sleep(min(left, 0.1))

    def connect(self) -> Database:
        """The database, without a login.

        :raises CommandError: there is no listener.
        """
        # Heavy, for its driver, and most conversations need no database.
        from infomart_lab.goldengate.ggsci.database import Database

        if self._database is None:
            self._database = Database(self.config, self.site)
        return self._database

    def database(self) -> Database:
        """The database of the user who has logged in.

        :raises CommandError: DBLOGIN is missing.
        """
        if self.user is None:
            raise CommandError(NOT_LOGGED_IN)
        return self.connect()

    def schema_database(self) -> Database:
        """The database that has the schemas, of the user who has logged in.

        :raises CommandError: DBLOGIN is missing, or led to the root of a CDB.
        """
        database = self.database()
        if self.container == lab.ROOT:
            raise CommandError(f"ERROR: This command is not valid in {lab.ROOT}: log in to the pluggable database.")
        return database

    def coded(self, code: str, text: str, severity: str = "INFO") -> str:
        """A message with its code; release 11.2 has none."""
        if self.wording == "11.2":
            return f"{text}\n"
        return f"{datetime.now():%Y-%m-%d %H:%M:%S}  {severity:<7} {code}  {text}\n"
