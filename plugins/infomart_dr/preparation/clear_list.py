"""The list of what to clear after a failure, generated from the DAGs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def _short(task_ids: Iterable[str]) -> str:
    """Ids of tasks in their order, each group once."""
    found: dict[str, list[str]] = {}
    for task_id in task_ids:
        group, _, name = task_id.rpartition(".")
        found.setdefault(group, []).append(name)
    shown = [
        f"{f'`{group}`: ' if group else ''}"
        + (f"`{names[0]}` to `{names[-1]}`" if len(names) > 3 else ", ".join(f"`{name}`" for name in names))
        for group, names in found.items()
    ]
    return "; ".join(shown)


def list_to_clear(dags: Iterable[Any]) -> str:
    """What to clear where it is another task than the failed one, as a Markdown table."""
    found: dict[str, dict[str, None]] = {}
    for dag in sorted(dags, key=lambda each: str(each.dag_id)):
        for task in dag.topological_sort():
            clear = getattr(task, "clear_from", "")
            if clear and clear != task.task_id:
                found.setdefault(clear, {}).setdefault(task.task_id)
    lines = ["| clear | after a failure at |", "|---|---|"]
    lines += [f"| `{clear}` | {_short(tasks)} |" for clear, tasks in found.items()]
    return "\n".join(lines) + "\n"
