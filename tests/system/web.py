"""Airflow's web interface in a real Chromium, as a person uses it: forms, gates, the state of a run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect, sync_playwright

#: Path of a Chromium or Chrome that is not on the PATH.
CHROMIUM_VARIABLE = "INFOMART_TEST_CHROMIUM"
#: Folder for the screenshots of the documentation.
SCREENSHOTS_VARIABLE = "INFOMART_SCREENSHOTS"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: The browser uses loopback only; on a closed network it would repeat its calls to its maker.
_QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: Milliseconds for anything that the page does on a loaded machine.
PATIENCE = 60_000


def chromium() -> str:
    """Path of the browser.

    :raises AssertionError: there is none.
    """
    found = os.environ.get(CHROMIUM_VARIABLE) or next(filter(None, map(shutil.which, _NAMES)), None)
    assert found, f"no Chromium: install it (Debian: apt install chromium), or set {CHROMIUM_VARIABLE} to its path"
    return found


class Web:
    """A signed-in page.

    :param url: of the web interface, without a trailing slash.
    :param pictures: folder for screenshots.
    """

    def __init__(self, page: Page, url: str, pictures: Path) -> None:
        self.page, self.url, self.pictures = page, url, pictures

    def sign_in(self, user: str, password: str) -> None:
        name = self.page.get_by_label("Username")
        self.open(self.url, name)
        name.fill(user)
        self.page.locator("input[type=password]").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("link", name="Dags").first).to_be_visible()

    def open(self, url: str, wanted: Locator, tries: int = 30) -> None:
        """Open a page, repeatedly until the wanted element is there: Airflow may still be reading DAG files."""
        for _ in range(tries):
            self.page.goto(url)
            self.page.wait_for_load_state("networkidle")
            if wanted.count():
                return
            self.page.wait_for_timeout(2000)
        self.picture("missing")
        raise AssertionError(f"{url} does not show {wanted}: {self.page.url}, {self.page.locator('body').inner_text()}")

    def open_form(self, dag_id: str) -> Locator:
        """The form of a DAG; waits until Airflow knows the DAG.

        :return: the part with the parameters.
        """
        trigger = self.page.get_by_role("button", name="Trigger").first
        self.open(f"{self.url}/dags/{dag_id}", trigger)
        trigger.click()
        form = self.page.get_by_test_id("config-form")
        form.wait_for()
        return form

    def submit(self) -> None:
        """Press the form's own button."""
        self.page.get_by_role("dialog").last.get_by_role("button", name="Trigger", exact=True).last.click()

    def start(self, dag_id: str, run_id: str, **fields: str) -> None:
        """Start a run from the form."""
        self.open_form(dag_id)
        for name, value in fields.items():
            self.page.locator(f"#element_{name}").fill(value)
        self.picture(f"{dag_id}-form")
        self.page.get_by_text("Advanced Options").click()
        self.page.locator("input[name=dagRunId]").fill(run_id)
        self.submit()
        self.page.wait_for_url(f"**/dags/{dag_id}/runs/**")

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str) -> str:
        """Click an answer of a gate.

        :return: what the page showed above the buttons.
        """
        button = self.page.get_by_role("button", name=option, exact=True)
        self.open(f"{self.url}/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/required_actions", button, tries=90)
        shown = self.page.locator("body").inner_text()
        self.picture(f"{dag_id}-gate")
        button.click()
        # An accepted answer cannot be given again.
        expect(button.and_(self.page.locator(":enabled"))).to_have_count(0)
        return shown

    def picture(self, name: str) -> None:
        """A screenshot, for the documentation or for a person after a failure."""
        self.page.wait_for_timeout(500)
        self.page.screenshot(path=self.pictures / f"{name}.png")


@contextmanager
def browser(url: str, credentials: tuple[str, str], pictures: Path, **view: Any) -> Iterator[Web]:
    """A Chromium that is signed in."""
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium(), args=[*_QUIET, *root])
        try:
            page = chrome.new_page(viewport={"width": 1400, "height": 1000}, **view)
            page.set_default_timeout(PATIENCE)
            expect.set_options(timeout=PATIENCE)
            web = Web(page, url, pictures)
            web.sign_in(*credentials)
            yield web
        finally:
            chrome.close()
