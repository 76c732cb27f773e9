"""Files that come with the procedures: SQL statements, GoldenGate and Data Pump templates."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

from infomart_dr.errors import PermanentError
from infomart_dr.text import identifier


@cache
def include_folder() -> Path:
    """The folder ``include``: beside ``plugins`` in a checkout, inside the package when installed."""
    here = Path(__file__).resolve().parent
    for folder in (here / "include", here.parents[1] / "include"):
        if (folder / "sql").is_dir():
            return folder
    raise PermanentError(f"There is no include folder beside {here}.", "Reinstall the package, or check the checkout.")


@cache
def environment() -> jinja2.Environment:
    """Jinja2 over the include folder. A missing name is an error, never an empty text."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(include_folder()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render(name: str, **values: object) -> str:
    """A rendered template of the include folder.

    :param name: path below ``include``, such as ``gg/templates/extract.prm.j2``.
    """
    return environment().get_template(name).render(**values)


def statement(name: str, **identifiers: str) -> str:
    """One SQL statement from ``include/sql/<name>.sql``, without its header and the ending semicolon.

    A PL/SQL block keeps its last semicolon, which is part of it.

    :param name: file name without suffix.
    :param identifiers: schema, table or column names, written as ``{{ name }}`` in the file. Values are always
        binds.
    :raises PermanentError: an identifier is not a plain Oracle name.
    """
    for key, value in identifiers.items():
        identifier(f"{key} of the statement {name}", value)
    text = render(f"sql/{name}.sql", **identifiers)
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    sql = "\n".join(lines).strip()
    return sql if sql.startswith("begin ") else sql.removesuffix(";").strip()
