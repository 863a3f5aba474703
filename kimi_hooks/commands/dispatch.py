"""`kimi-hooks dispatch`: check a task, drop it whole into the outbox, print its id."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kimi_hooks import lock, plain_task, settings
from kimi_hooks.clock import Clock
from kimi_hooks.commands import Home, completing, in_force, json_option, print_json
from kimi_hooks.commands.telling import spelt, warn_of_queue
from kimi_hooks.context import Limits, locate, look
from kimi_hooks.dispatching import dispatch
from kimi_hooks.errors import TaskError
from kimi_hooks.kimi import model_file
from kimi_hooks.text import DERIVED_NAME, derived_name
from kimi_hooks.workspace import Workspace, read_basics, read_config

NO_KEY = """no API key. Put it into {file} as KIMI_API_KEY=sk-... (or export KIMI_API_KEY), \
or try without one: add --standin, and a local imitation answers"""

# With one of these keys, something else than the limits says when the task is answered.
WAITING_FOR_MORE = frozenset({"standin", "not_before", "after", "reuse"})


@click.command("dispatch", short_help="Drop a task into the outbox and print its id.")
@click.option("-p", "--prompt", metavar="TEXT", help="What Kimi shall do.")
@click.option("-f", "--file", "file", metavar="FILE", shell_complete=completing.file, help="Read the prompt from FILE.")
@click.option("-n", "--name", metavar="TEXT", help="Default: the first 40 characters of the prompt.")
@click.option("-g", "--group", metavar="ID", help="The chat group to be told, such as -5298003529.")
@click.option("--channel", metavar="NAME", help="The chat channel. Default: telegram.")
@click.option("--thread-id", metavar="ID", help="The thread (topic) in the group.")
@click.option("--account", metavar="ID", help="The chat account to send from.")
@click.option("--reply-to", metavar="ID", help="The message to answer.")
@click.option("--model", metavar="ID", help="Default: KIMI_MODEL.")
@click.option("--system", metavar="TEXT", help="The system message.")
@click.option("--temperature", type=float, help="Sent only to models that accept it.")
@click.option("--max-tokens", type=int, help="The most that the answer, reasoning included, may take.")
@click.option("--reasoning-effort", metavar="WORD", help="low, high or max, for models that accept it.")
@click.option("--thinking", metavar="WORD", help="enabled or disabled, for models that can do without.")
@click.option(
    "--context",
    multiple=True,
    metavar="FILE...",
    shell_complete=completing.file,
    help="Files that Kimi shall read first: text, images, PDF, Office.",
)
@click.option("--timeout", type=float, help="Seconds from the first call. Default: 3600.")
@click.option("--priority", type=int, help="Higher goes first. Default: 0.")
@click.option("--not-before", metavar="TIME", help="An ISO time, or seconds from now.")
@click.option(
    "--after",
    multiple=True,
    metavar="ID|NAME",
    shell_complete=completing.task_ids,
    help="Wait for this task; if it fails, so does this one.",
)
@click.option("--dedupe-key", metavar="TEXT", help="Run once in 24 hours: if seen, the old id is printed.")
@click.option(
    "--reuse",
    metavar="[AGE]",
    is_flag=False,
    flag_value="any",
    help="An answer to the same request will do, if not older than 30m, 24h, 7d. Without AGE: any.",
)
@click.option("--metadata", multiple=True, metavar="K=V", help="Handed to hooks; V is text, byte for byte.")
@click.option("--standin", is_flag=True, help="Let the local imitation answer, not Kimi.")
@click.option("--start", is_flag=True, help="Start a runner in the background when none is at work.")
@click.option("--wait", "do_wait", is_flag=True, help="Wait for the answer and print it.")
@json_option
@click.argument("rest", nargs=-1, metavar="[-]")
@click.pass_obj
def dispatch_command(
    home: Home,
    /,
    prompt: str | None,
    file: str | None,
    rest: tuple[str, ...],
    start: bool,
    do_wait: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Drop a task into the outbox and print its id. The prompt is -p TEXT, -f FILE, or - for standard input.

    Works when no runner is alive: the task then waits for one.
    """
    workspace = home.find()
    basics = in_force(workspace, read_basics)
    known = settings.read(workspace, basics.settings, os.environ, Path.home())
    text = _prompt(prompt, file, rest, has_context=bool(options["context"]))
    if not options["standin"] and not known.get("KIMI_API_KEY") and not _runner_has_key(workspace):
        raise TaskError(NO_KEY.format(file=workspace.secrets_file))
    options["context"] += tuple(word for word in rest if word != "-")
    data = _data(text, options)
    name, warnings = _checked(data, derived_name(text, DERIVED_NAME))
    paths = locate(workspace, basics.context_roots, data.get("context", ()), Path.cwd())
    if "after" not in data:
        look(paths, Limits(basics.max_task_bytes, basics.max_context_bytes))
    dropped = dispatch(workspace, {**data, "name": name}, basics.max_task_bytes, Clock())
    if dropped.is_repeat:
        warnings.append("this dedupe key was seen in the last 24 hours; nothing new runs")
    for warning in warnings:
        click.echo(f"kimi-hooks: {warning}", err=True)
    if as_json and not do_wait:
        print_json({"task_id": dropped.task_id, "deduplicated": dropped.is_repeat})
    else:
        # With --wait --json, stdout belongs to the result.
        click.echo(dropped.task_id, err=as_json)
    if start:
        # Only now: a runner that was just leaving would not have seen the file.
        _start(workspace, has_key=known.get("KIMI_API_KEY") is not None)
    model, api_url = options["model"] or known.values["KIMI_MODEL"], known.values["KIMI_API_URL"]
    _warn_of_model(workspace, model, api_url, standin=options["standin"])
    mark = known.mark if known.get("KIMI_API_KEY") and not options["standin"] else None
    told = warn_of_queue(workspace, mark, standin=options["standin"])
    if do_wait:
        from kimi_hooks.commands.wait import tell_limit, wait_and_print  # noqa: PLC0415 - a plain dispatch must be quick

        if not data.keys() & WAITING_FOR_MORE:
            tell_limit(workspace, dropped.task_id, basics.requests_per_minute)
        sys.exit(wait_and_print(workspace, [dropped.task_id], None, as_json=as_json, told=told))


def _checked(data: dict[str, Any], default_name: str) -> tuple[str, list[str]]:
    """Return the task's name and warnings. Raises TaskError that names every mistake."""
    plain = plain_task.check(data, default_name=default_name)
    if plain is not None:
        return plain
    from kimi_hooks import task  # noqa: PLC0415 - most of what a dispatch would take; plain texts can do without

    found, warnings = task.check(data, default_name=default_name, where="dispatch")
    return found.name, warnings


def _warn_of_model(workspace: Workspace, model: str, api_url: str, *, standin: bool) -> None:
    """Say on stderr that a model is retired, and what is asked in its place."""
    if model_file.may_be_retired(model):
        from kimi_hooks.kimi import catalogue  # noqa: PLC0415 - dispatch must be quick; most models are not retired

        # What is wrong with the file, if anything, was told or refused above.
        known = catalogue.make(read_config(workspace, or_last_good=True).kimi)
        about = known.about(model, api_url, standin=standin)
        if about is not None:
            click.echo(f"kimi-hooks: {about}", err=True)


def _runner_has_key(workspace: Workspace) -> bool:
    holder = lock.holder(workspace.lock_file)
    return holder is not None and holder.ready and not holder.lacks_key


def _start(workspace: Workspace, *, has_key: bool) -> None:
    from kimi_hooks.control import ensure_runner  # noqa: PLC0415 - a plain dispatch must be quick

    started = ensure_runner(workspace, has_key=has_key)
    if started is not None:
        how = "was restarted, so that it sees the API key that is set here" if started.is_restart else "was started"
        stop = spelt(workspace, "stop")
        told = f"a runner {how}; it stays in the background (process {started.pid}); end it with: {stop}"
        click.echo(f"kimi-hooks: {told}", err=True)


def _prompt(prompt: str | None, file: str | None, rest: tuple[str, ...], *, has_context: bool) -> str:
    if (prompt is not None) + (file is not None) + ("-" in rest) != 1:
        raise click.UsageError("give the prompt once: -p 'TEXT', -f FILE, or - for standard input")
    if rest and rest != ("-",) and not has_context:
        raise click.UsageError(f"unexpected argument {rest[0]!r}; quote the prompt: -p 'several words'")
    if prompt is not None:
        return _decoded(os.fsencode(prompt), "the prompt")
    if file is None or file == "-":
        return _decoded(sys.stdin.buffer.read(), "standard input")
    try:
        return _decoded(Path(file).read_bytes(), file)
    except OSError as error:
        raise TaskError(f"{file}: cannot be read: {error.strerror}") from error


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TaskError(f"{where} is not UTF-8 (byte {error.start + 1}); convert it first") from error


def _data(text: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the task file's keys: what was given, and nothing else."""
    metadata = dict(_pair(item) for item in options.pop("metadata"))
    given = {key: value for key, value in options.items() if value is not None and value is not False and value != ()}
    if given.get("context"):
        given["context"] = [str(Path(name).expanduser().absolute()) for name in given["context"]]
        given["dispatched_from"] = str(Path.cwd())
    if "not_before" in given:
        given["not_before"] = _absolute(given["not_before"])
    if "after" in given:
        given["after"] = list(given["after"])
    return {**given, **({"metadata": metadata} if metadata else {}), "prompt": text}


def _pair(item: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if not equals or not key:
        raise click.UsageError(f"--metadata {item!r}: write KEY=VALUE")
    return key, value


def _absolute(when: str) -> str:
    """Turn seconds from now into an instant, so that they count from the dispatch and not from its acceptance."""
    try:
        seconds = float(when)
        return datetime.fromtimestamp(Clock().now() + seconds, UTC).isoformat() if seconds >= 0 else when
    except (ValueError, OverflowError):
        return when
