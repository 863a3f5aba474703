"""What was said so far in a task: the prompt, the answers of Kimi that are kept, and what gates have said to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kimi_hooks import turns
from kimi_hooks.journal import gates
from kimi_hooks.journal.gates import Said
from kimi_hooks.journal.tasks import PROMPTED, Entry
from kimi_hooks.parts import Parts

Turn = Mapping[str, Any]
Message = dict[str, Any]


@dataclass(frozen=True)
class Exchange:
    """One answer, its parts joined, and what a gate said to it; not `is_whole`: the rest of it has not come yet."""

    answer: Turn
    is_whole: bool
    reply: Said | None


@dataclass(frozen=True)
class Conversation:
    """`kept` are the answers of Kimi so far, a cut one in its parts; `said` is by the number of the last of them."""

    kept: Sequence[Turn]
    said: Mapping[int, Said]

    @property
    def context(self) -> Said | None:
        """What a gate has added to the prompt."""
        return self.said.get(0)

    @property
    def parts(self) -> int:
        """How many parts there are of the answer that is not whole yet."""
        return next((n for n, turn in enumerate(reversed(self.kept)) if turns.is_whole(turn)), len(self.kept))

    @property
    def answer(self) -> Turn | None:
        """The last answer, its parts joined, whole or not."""
        return next((exchange.answer for exchange in reversed(self.exchanges())), None)

    def exchanges(self) -> list[Exchange]:
        return list(self._exchanges())

    def and_then(self, turn: Turn | None) -> Conversation:
        """Return it with another answer, if there is one."""
        return self if turn is None else Conversation([*self.kept, turn], self.said)

    def _exchanges(self) -> Iterator[Exchange]:
        begun = 0
        for number, turn in enumerate(self.kept, 1):
            is_whole = turns.is_whole(turn)
            if is_whole or number == len(self.kept):
                yield Exchange(turns.joined(self.kept[begun:number]), is_whole, self.said.get(number))
                begun = number


def read(parts: Parts, entry: Entry) -> Conversation:
    """Return what was said so far; of answers whose file is gone nothing. Raises OSError and JournalError."""
    if not entry.turns and entry.gate != PROMPTED:
        return Conversation([], {})
    said = parts.journal.read(partial(gates.said, task_id=entry.id))
    return Conversation(turns.earlier(parts.workspace.turns, entry.id, entry.turns, entry.retried), said)


def messages(told: Conversation) -> list[Message]:
    """Return the messages that follow the prompt, for the next call: the last one may be the beginning of its answer.

    Source: models that think want what they thought in their earlier answers of a conversation.
    """
    return [message for exchange in told.exchanges() for message in _messages(exchange)]


def _messages(exchange: Exchange) -> Iterator[Message]:
    answer = exchange.answer
    message: Message = {"role": "assistant", "content": answer["text"]}
    if answer["reasoning"]:
        message["reasoning_content"] = answer["reasoning"]
    yield message if exchange.is_whole else {**message, "partial": True}
    if exchange.reply is not None:
        yield {"role": "user", "content": exchange.reply.text}
