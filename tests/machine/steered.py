"""The machine with what a person does to single tasks, and with a journal that is lost."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.machine import place
from tests.machine.machine import MAY_DIE, Death, Machine
from tests.machine.model import mark_in


class Steered(Machine):
    """One workspace whose tasks are cancelled, held, released and run again."""

    @rule(verb=st.sampled_from(("cancel", "hold", "release")), which=st.integers(0, 5), die_at=MAY_DIE)
    def steer(self, verb: str, which: int, die_at: Death | None) -> None:
        """Cancel, hold or release one task; it may be said that it cannot be."""
        rows = place.rows(self.house.workspace)
        if rows:
            row = rows[which % len(rows)]
            dropped = self.model.dropped[mark_in([row["name"]])]
            dropped.may_be_cancelled |= verb == "cancel" and row["ended"] is None
            self.verb(verb, row["id"], die_at=die_at, codes={0, 1})

    @rule(which=st.integers(0, 5), die_at=MAY_DIE)
    def retry(self, which: int, die_at: Death | None) -> None:
        """Have one task run again that did not end well."""
        bad = [row for row in place.rows(self.house.workspace) if row["outcome"] in {"failed", "timeout", "cancelled"}]
        if bad:
            row = bad[which % len(bad)]
            self.verb("retry", row["id"], die_at=die_at, codes={0, 1})
            (now,) = (each for each in place.rows(self.house.workspace) if each["id"] == row["id"])
            if now["retried"] > row["retried"]:
                self.model.run_again(mark_in([row["name"]]), row["attempts"])

    @rule(die_at=MAY_DIE)
    def lose_journal(self, die_at: Death | None) -> None:
        """Remove the journal, and have it made anew from what else lies there, at the second try at the latest."""
        for row in place.rows(self.house.workspace):
            if row["ended"] is None:
                self.model.dropped[mark_in([row["name"]])].earlier_calls += row["attempts"]
        for file in self.house.workspace.spool.glob("journal.db*"):
            file.unlink()
        # News that is told again is tried as often again.
        self.deaths += 3
        if self.verb("fsck", "--rebuild", die_at=die_at).has_died:
            self.verb("fsck", "--rebuild", "--force")
