"""Hostile files that no repository can hold: links, pipes, devices, odd names, and what is too large to be kept."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house import House

ANSWERED = "(answered)"
LEFT = "(left alone)"
SECRETS = "CANARY-of-the-workspace", "CANARY-of-the-agent", "CANARY-outside", "root:x:0:0"
NOBODY = 65534
LINK, NO_FILE, GUARDED = "is a symbolic link", "is not a plain file", "second name of a file of secrets"
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Made:
    """One file that is made where it is dropped; `want` as in corpus.yaml."""

    name: str
    want: str
    make: Callable[[Path], object]


def surround(house: House, agents_home: Path) -> None:
    """Put secrets into, beside and behind the workspace, and ways to them that look like files of it."""
    home, outside = house.home, house.home.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(SECRETS[2])
    house.workspace.secrets_file.write_text(f"OTHER_TOKEN={SECRETS[0]}\n")
    agents = agents_home / ".openclaw" / "workspace" / ".env.kimi"
    agents.parent.mkdir(parents=True)
    agents.write_text(f"AGENTS_TOKEN={SECRETS[1]}\n")
    for name, target in {
        "link-to-secret.txt": "../outside/secret.txt",
        "link-to-outside": "../outside",
        "link-to-itself": "link-to-itself",
        "link-to-nothing": "/nonexistent/nothing",
        "link-to-root": "/",
        "link-to-spool": "spool",
    }.items():
        (home / name).symlink_to(target)
    os.link(house.workspace.secrets_file, home / "second-name.txt")
    os.link(agents, home / "second-name-of-the-agents.txt")
    os.mkfifo(home / "pipe.txt")
    _socket(home / "socket.txt")


def cases(house: House, agents_home: Path) -> Iterator[Made]:
    """Yield all of them for a runner that is at work; those that only root can make, only to root."""
    yield from _links(house, agents_home)
    yield from _odd_kinds()
    yield from _names()
    yield from _large()
    if os.getuid() == 0:
        yield from _for_root(house)


def _links(house: House, agents_home: Path) -> Iterator[Made]:
    home, journal = house.home, house.workspace.journal_file
    for name, target in {
        "to-secrets": home / ".env.kimi",
        "to-outside": home.parent / "outside" / "secret.txt",
        "to-a-folder": home.parent / "outside",
        "to-nothing": Path("/nonexistent/nothing"),
        "to-zero": Path("/dev/zero"),
        "to-stdin": Path("/dev/stdin"),
        "to-environment": Path("/proc/self/environ"),
        "to-the-journal": journal,
        "to-the-outbox": home / "outbox",
        "to-itself": Path("to-itself.md"),
    }.items():
        yield Made(f"{name}.md", LINK, _link(target))
    for name, target in {
        "hard-link-to-secrets": house.workspace.secrets_file,
        "hard-link-to-the-agents-secrets": agents_home / ".openclaw" / "workspace" / ".env.kimi",
        "hard-link-to-the-journal": journal,
        "hard-link-to-the-log-of-the-journal": journal.with_name("journal.db-wal"),
    }.items():
        yield Made(f"{name}.txt", GUARDED, _second_name(target))
    ordinary = home / "ordinary.txt"
    ordinary.write_text("two names, no secret")
    yield Made("hard-link-to-a-text.txt", ANSWERED, _second_name(ordinary))


def _odd_kinds() -> Iterator[Made]:
    yield Made("pipe.md", NO_FILE, os.mkfifo)
    yield Made("pipe.json", NO_FILE, os.mkfifo)
    yield Made("socket.md", NO_FILE, _socket)
    yield Made("folder.md", LEFT, Path.mkdir)
    yield Made("no-ending", LEFT, _with("x"))
    yield Made("script.sh", LEFT, _with("touch ../outside/ran"))
    yield Made("being-written.md.part", LEFT, _with("x"))
    yield Made("run-bit.md", ANSWERED, _with("x", mode=0o6755))


def _names() -> Iterator[Made]:
    for name in (
        "n" * 252 + ".md",
        "長" * 84 + ".md",
        "two\nlines.md",
        "carriage\rreturn.md",
        "\x1b[31mred\x1b]0;title\x07.md",
        "c1\x9b2J.md",
        "gpj.\u202efdp.md",
        "zero\u200bwidth\ufeff.md",
        "-rf.md",
        "--help.md",
        " .md",
        "dots...md",
        "a b'\"`id`$(touch ..)${HOME};&|<>*?.md",
        "%s%n{}{{ x }}.md",
        "back\\slash.md",
        "UPPER.MD",
        "kimi-1-__x.md",
        "same name__as ours.md",
        os.fsdecode(b"\xff\xfe\x80.md"),
        os.fsdecode(b"latin-\xe9.md"),
    ):
        yield Made(name, ANSWERED, _with("x"))
    for name in (".md", "..md", ".hidden.md", "~.md~", "a.tmp", "b.swp"):
        yield Made(name, LEFT, _with("x"))


def _large() -> Iterator[Made]:
    yield Made("11-mib.md", "is larger than", _with("x" * 11 * MEBIBYTE))
    yield Made("a-tebibyte.md", "is larger than", _sparse(2**40))
    yield Made("one-line-of-9-mib.md", "holds", _with("x" * 9 * MEBIBYTE))
    yield Made("nuls-1-mib.md", "NUL", _sparse(MEBIBYTE))
    yield Made("deep-100000.json", "broken JSON", _with('{"prompt": ' + "[" * 100_000 + "]" * 100_000 + "}"))
    yield Made("deep-objects.json", "broken JSON", _with('{"a":' * 100_000 + "1" + "}" * 100_000))
    yield Made("deep-unclosed.json", "broken JSON", _with("[" * 100_000))
    yield Made("deep.yaml", "nested deeper", _with("prompt: " + "[" * 100_000))
    yield Made("long-key.json", "unknown key", _with(json.dumps({"k" * 100_000: 1})))
    yield Made("many-unknown-keys.json", "and 9991 more", _with(json.dumps({f"k{n}": n for n in range(10_000)})))
    yield Made("long-dedupe-key.json", "dedupe_key", _with(json.dumps({"prompt": "x", "dedupe_key": "k" * 1_000_000})))
    many = {"prompt": "x", "metadata": {f"k{n}": n for n in range(10_000)}}
    yield Made("much-metadata.json", ANSWERED, _with(json.dumps(many)))
    yield Made(
        "context-10000-times.json", "outside", _with(json.dumps({"prompt": "x", "context": ["/etc/passwd"] * 10_000}))
    )
    yield Made("open-front-matter.md", "no second line", _with("---\nname: x\n" + "-- \n" * 100_000))


def _for_root(house: House) -> Iterator[Made]:
    outside = {"prompt": "x", "context": ["secret.txt"], "dispatched_from": str(house.home.parent / "outside")}
    yield Made("of-another-user.md", ANSWERED, _with("x", owner=NOBODY))
    yield Made(
        "of-another-user-who-claims-a-folder.json",
        "no such file",
        _with(json.dumps(outside), owner=NOBODY),
    )
    yield Made("device.md", NO_FILE, lambda path: os.mknod(path, 0o020666, os.makedev(1, 5)))
    yield Made("kernel-log.md", NO_FILE, lambda path: os.mknod(path, 0o020666, os.makedev(1, 11)))


def _with(text: str, *, mode: int = 0o644, owner: int = -1) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_text(text)
        path.chmod(mode)
        os.chown(path, owner, -1)

    return make


def _sparse(size: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.touch()
        os.truncate(path, size)

    return make


def _link(target: Path) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _second_name(target: Path) -> Callable[[Path], None]:
    return lambda path: os.link(target, path)


def _socket(path: Path) -> None:
    """Bind a socket by a short name: the kernel takes no more than 108 bytes."""
    with socket.socket(socket.AF_UNIX) as bound:
        short = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            bound.bind(str(short / str(folder) / path.name))
        finally:
            os.close(folder)
