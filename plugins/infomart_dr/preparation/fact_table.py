"""The table of a plan's recorded facts, generated from their declarations."""

from __future__ import annotations

from infomart_dr.plan import facts


def table_of_facts() -> str:
    """All facts as a Markdown table."""
    lines = ["| fact | meaning | recorded by | forgotten by |", "|---|---|---|---|"]
    for fact in facts.declared():
        recorded, forgotten = (
            ", ".join(f"`{task}`" for task in each) for each in (fact.recorded_by, fact.forgotten_by)
        )
        lines.append(f"| `{fact}` | {fact.meaning} | {recorded} | {forgotten} |".replace("  |", " |"))
    return "\n".join(lines) + "\n"
