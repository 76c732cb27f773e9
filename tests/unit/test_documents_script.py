"""``scripts/documents.py`` writes the documents that are generated from the DAG files, and finds stale ones."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infomart_dr import dagfiles
from infomart_dr.errors import PermanentError

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["guide-coverage.md", "api/infomart-dr.openapi.yaml"]


@pytest.fixture
def main() -> Callable[[list[str]], int]:
    return runpy.run_path(str(ROOT / "scripts" / "documents.py"))["main"]


def test_what_is_written_is_what_the_repository_has_and_a_stale_one_is_found(
    tmp_path: Path, main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    docs = ["--docs", str(tmp_path)]
    assert main([*docs, "--check"]) == 1 and not list(tmp_path.iterdir())
    assert main(docs) == 0
    assert {name: (tmp_path / name).read_text() for name in NAMES} == {
        name: (ROOT / "docs" / name).read_text() for name in NAMES
    }
    assert main([*docs, "--check"]) == 0
    for name in NAMES:
        file = tmp_path / name
        before = file.read_text()
        file.write_text(f"{before}by hand\n")
        capsys.readouterr()
        assert main([*docs, "--check"]) == 1
        assert capsys.readouterr().err.splitlines() == [f"{file} is stale: run scripts/documents.py"]
        assert file.read_text().endswith("by hand\n")
        file.write_text(before)


def test_nothing_is_written_while_a_dag_file_cannot_be_imported(
    tmp_path: Path,
    main: Callable[[list[str]], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(folder: Path) -> dict[str, Any]:
        raise PermanentError("half a DAG")

    monkeypatch.setattr(dagfiles, "load_dags", broken)
    assert main(["--docs", str(tmp_path)]) == 2
    assert not list(tmp_path.iterdir()) and "half a DAG" in capsys.readouterr().err


def test_a_dag_file_that_cannot_be_imported_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("from airflow.sdk import DAG\nraise RuntimeError('half a DAG')\n")
    with pytest.raises(PermanentError, match="half a DAG"):
        dagfiles.load_dags(tmp_path)
