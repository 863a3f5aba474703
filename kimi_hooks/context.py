"""Files that go to Kimi with a task: where they may lie, what they are, their content."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kimi_hooks.errors import TaskError
from kimi_hooks.file_kind import HEAD_BYTES, Kind, kind_of
from kimi_hooks.workspace import SECRETS_NAME, Workspace, is_guarded

# "Each file must not exceed 100 MB" (Kimi platform docs, "Files", November 2026). A MB is taken for the smaller one.
DOCUMENT_BYTES = 100_000_000
# Models scale images down; more bytes show them no more.
IMAGE_BYTES = 20_000_000
# A request may hold 100 MB, and images grow by a third on their way into it.
IMAGES_BYTES = 70_000_000
_CHUNK = 1024 * 1024
# A longer message is not read.
_MOST_NAMED = 10
# Linux calls them plain files, and they are views of processes (their environment too) and of the machine.
_OF_THE_KERNEL = tuple(map(Path, ("/proc", "/sys", "/dev")))


@dataclass(frozen=True)
class Limits:
    """How many bytes the files of one task may hold together: its texts, and its images and documents."""

    texts: int
    others: int


@dataclass(frozen=True)
class Found:
    """A file that may go along. `size` is in bytes, as it was when somebody looked; no more than `at_most` are read."""

    path: Path
    kind: Kind
    size: int
    at_most: int

    @property
    def name(self) -> str:
        """Return the file's own name as text that can be sent, whatever bytes it has."""
        return os.fsencode(self.path.name).decode("utf-8", "replace")


def locate(
    workspace: Workspace, allowed: Sequence[str] | None, named: Sequence[str], sent_from: Path | None
) -> list[Path]:
    """Return the real paths of the context files. Relative names start where the task was sent from, else here.

    They must lie under the folders that are `allowed` (`context_roots`), else here or where the task was sent from,
    however they are spelt or linked; secrets and the spool are never context. They need not exist. Raises TaskError.
    """
    try:
        return _locate(workspace, allowed, named, sent_from)
    except (OSError, RuntimeError, ValueError) as error:
        # A name that is too long, a circle of links, a folder that may not be entered, a user that is not there.
        told = f"context cannot be found: {error}; correct the names, or context_roots in config.yaml"
        raise TaskError(told) from error


def look(paths: Sequence[Path], limits: Limits) -> list[Found]:
    """Return what each file is, from its first bytes. Raises TaskError for what is missing, too large or of no use.

    It names all such files, ten at most. The paths are real ones, as `locate` returns them: a link that takes a file's
    place meanwhile is not followed.
    """
    found = _look_at_all(paths, limits)
    images = [file for file in found if file.kind.way == "image"]
    texts = [file for file in found if file.kind.way == "text"]
    _check_sum("texts", texts, limits.texts, "give less, or raise max_task_bytes in config.yaml")
    _check_sum("images", images, IMAGES_BYTES, "give fewer, or smaller ones")
    others = [file for file in found if file.kind.way != "text"]
    _check_sum("images and documents", others, limits.others, "give less, or raise max_context_bytes in config.yaml")
    return found


def read(file: Found) -> bytes:
    """Return the file's content. Raises TaskError when it cannot be read any more, or has grown too large."""
    return b"".join(_pieces(file))


def digest(file: Found) -> str:
    """Return the SHA-256 of the file's content, in hex, without holding all of it. Raises as `read`."""
    summed = hashlib.sha256()
    for piece in _pieces(file):
        summed.update(piece)
    return summed.hexdigest()


def read_text(file: Found) -> str:
    """Return the text of a text file, without its byte order mark. Raises TaskError, also if it is not UTF-8."""
    try:
        text = read(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.start + 1
        raise TaskError(f"context {file.path}: is not UTF-8 text (byte {at}); save it as UTF-8") from error
    if "\0" in text:
        raise TaskError(f"context {file.path}: holds a NUL character, so it is not text; give another file")
    return text


def _locate(
    workspace: Workspace, allowed: Sequence[str] | None, named: Sequence[str], sent_from: Path | None
) -> list[Path]:
    base = sent_from or workspace.home
    roots = [root.resolve() for root in _roots(workspace, allowed, sent_from)]
    paths = [(base / Path(name).expanduser()).resolve() for name in named]
    for name, path in zip(named, paths, strict=True):
        _check_place(name, path, roots, workspace)
    return paths


def _check_place(name: str, path: Path, roots: Sequence[Path], workspace: Workspace) -> None:
    if not any(path.is_relative_to(root) for root in roots):
        allowed = ", ".join(map(str, dict.fromkeys(roots))) or "none"
        raise TaskError(
            f"context {name!r} lies outside the allowed folders ({allowed}); "
            "move it there, or name its folder under context_roots in config.yaml"
        )
    if _is_secret(path, workspace) or path.is_relative_to(workspace.spool.resolve()):
        raise TaskError(f"context {name!r} is a secret of the workspace's and is not sent; give another file")


def _is_secret(path: Path, workspace: Workspace) -> bool:
    """Tell whether it is a file of secrets or the journal, by its name or as a second name of one."""
    return path.name == SECRETS_NAME or is_guarded(workspace, path)


def _roots(workspace: Workspace, allowed: Sequence[str] | None, sent_from: Path | None) -> list[Path]:
    if allowed is not None:
        return [workspace.home / Path(root).expanduser() for root in allowed]
    return [workspace.home, *([sent_from] if sent_from else [])]


def _look_at_all(paths: Sequence[Path], limits: Limits) -> list[Found]:
    found, mistakes = [], []
    for path in paths:
        try:
            found.append(_look_at(path, limits))
        except TaskError as error:
            mistakes.append(str(error))
    if mistakes:
        left_out = len(mistakes) - _MOST_NAMED
        raise TaskError("; ".join([*mistakes[:_MOST_NAMED], *([f"and {left_out} more"] if left_out > 0 else [])]))
    return found


def _look_at(path: Path, limits: Limits) -> Found:
    with _opened(path) as fd:
        head, size = os.read(fd, HEAD_BYTES), os.fstat(fd).st_size
    try:
        kind = kind_of(path.name, head)
    except ValueError as error:
        raise TaskError(f"context {path}: {error}") from error
    at_most = {"text": limits.texts, "image": IMAGE_BYTES, "document": DOCUMENT_BYTES}[kind.way]
    if kind.way != "text" and size > at_most:
        told = f"is too large: {size} bytes, and one {kind.way} may hold {at_most}; give a smaller one, or parts of it"
        raise TaskError(f"context {path}: {told}")
    return Found(path, kind, size, at_most)


def _check_sum(words: str, found: Sequence[Found], limit: int, remedy: str) -> None:
    total = sum(file.size for file in found)
    if total > limit:
        largest = max(found, key=lambda file: file.size).path
        told = f"{total} bytes, and {limit} are allowed (the largest is {largest}); {remedy}"
        raise TaskError(f"context: the {words} of the task hold together {told}")


def _pieces(file: Found) -> Iterator[bytes]:
    """Yield the content piece by piece, so that a file that grows without end is left at its limit."""
    left = file.at_most
    with _opened(file.path) as fd:
        while piece := os.read(fd, min(_CHUNK, left + 1)):
            left -= len(piece)
            if left < 0:
                told = f"has grown beyond {file.at_most} bytes; give a file that nobody writes any more"
                raise TaskError(f"context {file.path}: {told}")
            yield piece


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a plain file to read. Raises TaskError, for pipes and devices too: those are not even opened."""
    try:
        _check_plain(path, path.lstat().st_mode)
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _check_plain(path, os.fstat(fd).st_mode)
            yield fd
        finally:
            os.close(fd)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TaskError(f"context {path}: there is no such file; correct the name") from error
    except PermissionError as error:
        raise TaskError(f"context {path}: may not be read; give the runner's user read permission") from error
    except OSError as error:
        raise TaskError(f"context {path}: cannot be read: {error.strerror}; give another file") from error


def _check_plain(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise TaskError(f"context {path}: is a folder; name the files in it")
    if not stat.S_ISREG(mode) or any(path.is_relative_to(folder) for folder in _OF_THE_KERNEL):
        raise TaskError(f"context {path}: is not a plain file; give a file with the content itself")
