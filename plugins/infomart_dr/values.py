"""Names for values whose types other programs decide: Oracle's columns, and JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

#: A value as the driver gives it. The select list of the statement decides its type: no annotation can know it.
ColumnValue: TypeAlias = Any
#: One row of a statement, by column name in lower case.
Row: TypeAlias = dict[str, ColumnValue]
#: A value that is bound to a statement.
Bind: TypeAlias = str | float | datetime | None
#: A JSON object. Its keys and values are checked where they are read.
JsonObject: TypeAlias = dict[str, Any]
