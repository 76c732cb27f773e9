"""The list of a plan's recorded facts, generated from their declarations."""

from __future__ import annotations

from collections.abc import Iterable

from infomart_dr.plan import facts


def _tasks(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def list_of_facts() -> str:
    """All facts as a Markdown list: the fact, the tasks that record and forget it, its meaning."""
    lines = []
    for fact in facts.declared():
        forgotten = f"; forgotten by {_tasks(fact.forgotten_by)}" if fact.forgotten_by else ""
        if fact.forgotten_by == fact.recorded_by:
            forgotten = ", renewed"
        lines.append(f"- `{fact}` ({_tasks(fact.recorded_by)}{forgotten}): {fact.meaning}.")
    return "\n".join(lines) + "\n"
