"""Texts that the imitation says: short ones as they are, long ones made while they are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kimi_hooks.standin.messages import BYTES_PER_TOKEN, byte_tokens, tokens

_LINE = 64
_CHUNKS_AT_MOST = 200
_CHUNK_CHARACTERS = 16


@dataclass(frozen=True)
class Numbered:
    """The characters from `start` to `end` of endless numbered lines in ASCII, none of which is kept.

    Each line has 64 characters, so that whoever has received one can tell whether a part is missing.
    """

    end: int
    start: int = 0

    def __len__(self) -> int:
        return self.end - self.start

    def part(self, at: int, end: int) -> str:
        """Return the characters from `at` to `end`, counted from the start."""
        first, last = self.start + at, min(self.start + end, self.end)
        lines = "".join(_line(number) for number in range(first // _LINE, -(-last // _LINE)))
        return lines[first % _LINE :][: last - first]


Text = str | Numbered


def _line(number: int) -> str:
    return f"{number + 1:012d} said by the local imitation of Kimi, not by Kimi".ljust(_LINE - 1) + "\n"


def part(text: Text, at: int, end: int) -> str:
    """Return the characters from `at` to `end`."""
    return text[at:end] if isinstance(text, str) else text.part(at, end)


def count(text: Text) -> int:
    """Count the tokens of a text."""
    return tokens(text) if isinstance(text, str) else byte_tokens(len(text))


def cut(text: Text, most: int) -> Text:
    """Cut a text to a number of tokens, at a character."""
    if count(text) <= most:
        return text
    room = max(most, 0) * BYTES_PER_TOKEN
    if isinstance(text, Numbered):
        return replace(text, end=text.start + room)
    return text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")


def after(text: Text, prefixes: tuple[str, ...]) -> Text:
    """Return what is left of a text after the first prefix that it has; the whole text if it has none of them."""
    for prefix in prefixes:
        if part(text, 0, len(prefix)) == prefix:
            return text[len(prefix) :] if isinstance(text, str) else replace(text, start=text.start + len(prefix))
    return text


def until(text: Text, stops: list[str]) -> Text:
    """Cut a text before the first of the words at which it shall stop; long ones do not stop."""
    if isinstance(text, Numbered):
        return text
    found = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    return text[: min(found)] if found else text


def chunks(text: Text) -> Iterator[str]:
    """Yield a text in the parts in which it is sent."""
    size = max(_CHUNK_CHARACTERS, -(-len(text) // _CHUNKS_AT_MOST))
    return (part(text, at, at + size) for at in range(0, len(text), size))
