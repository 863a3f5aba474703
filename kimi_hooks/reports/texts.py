"""Text from outside made fit for a chat: no character that steers, cut where a reader would cut."""

from __future__ import annotations

import re
import unicodedata

# Telegram takes 4,096 UTF-16 code units in one message (https://core.telegram.org/bots/api#sendmessage).
MAX_UNITS = 3500
_JOINERS = "\u200c\u200d"
# Longer runs of marks on one letter are no writing of anybody: they are cut through.
_LONGEST_CLUSTER = 50
_ZERO_WIDTH_JOINER = "\u200d"
_BLANK_LINES = re.compile(r"(?:\n[^\S\n]*){2,}\n")


def plain(text: str) -> str:
    """Return the text without what could steer a terminal or hide in a chat; line breaks stay."""
    lines = text.replace("\r\n", "\n")
    return lines.translate({ord(char): _instead(char) for char in set(lines)})


def one_line(text: str, limit: int) -> str:
    """Return the text on one line, at most `limit` characters with the ellipsis that tells of a cut."""
    line = " ".join(plain(text).split())
    return line if len(line) <= limit else cut(line, limit - 1) + "…"


def passage(text: str) -> str:
    """Return the text with its lines, but never more than one empty line in a row."""
    return _BLANK_LINES.sub("\n\n", plain(text)).strip()


def cut(text: str, limit: int) -> str:
    """Return at most the first `limit` characters, and never half of what is seen as one.

    After the clusters of Unicode's annex 29, as far as the standard library knows them.
    """
    if len(text) <= limit:
        return text
    places = range(limit, max(0, limit - _LONGEST_CLUSTER), -1)
    return text[: next((place for place in places if _is_boundary(text, place)), limit)]


def fit(text: str) -> str:
    """Return the whole message: harmless, and short enough for one message of a chat."""
    message = plain(text).strip()
    kept = message.encode("utf-16-le")[: 2 * MAX_UNITS].decode("utf-16-le", "ignore")
    return message if kept == message else cut(message, len(kept) - 1).rstrip() + "…"


def _instead(char: str) -> str:
    if char == "\n" or char in _JOINERS:
        return char
    if char in "\t\r":
        return " " if char == "\t" else "\n"
    match unicodedata.category(char):
        case "Zl" | "Zp":
            return "\n"
        case "Cf":
            # Turns of the writing direction, and what nobody sees.
            return ""
        case "Cc" | "Cs":
            return "�"
    return char


def _is_boundary(text: str, place: int) -> bool:
    before, after = text[place - 1], text[place]
    if before == _ZERO_WIDTH_JOINER or _extends(after):
        return False
    return not (_is_flag_half(before) and _is_flag_half(after) and _flag_halves_before(text, place) % 2)


def _extends(char: str) -> bool:
    """Tell whether the character is seen as a part of the one before: marks, skin tones, parts of a Hangul syllable."""
    if char in _JOINERS or "\U0001f3fb" <= char <= "\U0001f3ff" or "\u1160" <= char <= "\u11ff":
        return True
    return unicodedata.category(char) in {"Mn", "Mc", "Me"}


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _flag_halves_before(text: str, place: int) -> int:
    start = place
    while start > 0 and _is_flag_half(text[start - 1]):
        start -= 1
    return place - start
