"""The examples that are gates, asked as the runner asks them: what they refuse, what they add, what they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.examples import answered, call, fake, install, prompted
from tests.house import House, group_lives, until

TESTS = "```python test_a.py\nfrom solution import f\n\ndef test_f():\n    assert f(1) == 2\n```\n"
GOOD = f"Here:\n```python\ndef f(x):\n    return x + 1\n```\n{TESTS}"
BAD = f"```python\ndef f(x):\n    return x\n```\n{TESTS}"

# run-tests


@pytest.fixture
def tested(house: House) -> House:
    install(house, "run-tests")
    return house


def test_code_that_works_passes(tested: House) -> None:
    """Exit code 0 and nothing for Kimi."""
    done = call(tested, "run-tests.py", answered(GOOD))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("the tests passed\n")


def test_code_that_fails_sends_kimi_back(tested: House) -> None:
    """Exit code 2, and Kimi is told what failed, by file names and not by paths of this machine."""
    done = call(tested, "run-tests.py", answered(BAD))
    assert done.returncode == 2
    assert "assert 1 == 2" in done.stderr
    assert "test_a.py:4: in test_f" in done.stderr
    assert "/run-tests-" not in done.stderr
    assert len(done.stderr) < 4000


def test_tests_of_the_user_count(tested: House) -> None:
    """`metadata.tests` names them; an answer cannot bring others under the same name."""
    (tested.home / "tests").mkdir()
    (tested.home / "tests" / "test_a.py").write_text("from solution import f\n\ndef test_f():\n    assert f(1) == 3\n")
    done = call(tested, "run-tests.py", answered(GOOD, tests="tests/test_a.py"))
    assert done.returncode == 2
    assert "assert 2 == 3" in done.stderr


@pytest.mark.parametrize(
    "named", ["../test_a.py", "/etc/hosts", "outbox/test_a.py", "tests/none.py", "tests", "", "a\0.py"]
)
def test_only_tests_inside_the_workspace_are_run(tested: House, named: str) -> None:
    """Any other path is told to the user and is no fault of Kimi's."""
    for folder in (tested.workspace.outbox, tested.home.parent):
        (folder / "test_a.py").write_text("open('ran', 'w')")
    done = call(tested, "run-tests.py", answered(GOOD, tests=named))
    assert done.returncode == 1
    assert done.stderr.startswith("run-tests: metadata.tests: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import time, pathlib\ntime.sleep(600)\n", "did not end within 1 seconds"),
        ("import os\nos._exit(0)\n", "ended before its tests had run"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "the tests failed"),
        ("raise SystemExit(0)\n", "the tests failed"),
        ("def f(:\n", "SyntaxError"),
        ("import sys\nsys.stderr.write('\\x1b[31m' + 'x' * 10**7)\nboom\n", "NameError"),
    ],
)
def test_hostile_code_is_only_a_failure(tested: House, text: str, said: str) -> None:
    """Code that hangs, leaves, dies or floods sends Kimi back like any other, plain and short."""
    script = tested.workspace.hooks / "run-tests.py"
    script.write_text(
        script.read_text().replace("\nSECONDS = 60\n", "\nSECONDS = 1\n" if "sleep" in text else "\nSECONDS = 60\n")
    )
    done = call(tested, "run-tests.py", answered(f"```python\n{text}```\n{TESTS}"))
    assert done.returncode == 2
    assert said in done.stderr
    assert "\x1b" not in done.stderr
    assert len(done.stderr) < 4000


def test_code_sees_no_variables_and_leaves_nothing(tested: House, tmp_path: Path) -> None:
    """Its environment is clean, its home is its folder, and that is gone afterwards."""
    seen = tmp_path / "seen"
    text = f"import json, os\nopen({str(seen)!r}, 'w').write(json.dumps([dict(os.environ), os.getcwd()]))\n"
    done = call(tested, "run-tests.py", answered(f"```py\n{text}def f(x): return 2\n```\n{TESTS}"), MY_TOKEN="hidden")
    assert done.returncode == 0
    environ, folder = json.loads(seen.read_text())
    assert set(environ) <= {"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONDONTWRITEBYTECODE",
                            "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_VERSION", "PYTEST_CURRENT_TEST"}  # fmt: skip
    assert environ["HOME"] == environ["TMPDIR"] == folder
    assert not Path(folder).exists()


def test_what_a_killed_run_started_ends_with_it(tested: House, tmp_path: Path) -> None:
    """When the runner ends the hook, the code of the answer ends too, and its folder is gone."""
    note = tmp_path / "note"
    text = f"import os, time\nopen({str(note)!r}, 'w').write(f'{{os.getpid()}} {{os.getcwd()}}')\ntime.sleep(600)\n"
    told = {**answered(f"```python\n{text}```\n{TESTS}"), "cwd": str(tested.home)}
    hook = subprocess.Popen(
        [tested.workspace.hooks / "run-tests.py"], stdin=subprocess.PIPE, env=with_tools(), text=True
    )
    assert hook.stdin
    hook.stdin.write(json.dumps(told))
    hook.stdin.close()
    until(lambda: note.exists() and note.read_text() != "")
    hook.terminate()
    assert hook.wait() == 1
    pid, folder = note.read_text().split()
    # It leads a group of its own.
    until(lambda: not group_lives(int(pid)))
    assert not Path(folder).exists()


def with_tools() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def test_an_answer_without_code_is_sent_back_only_where_tests_wait(tested: House) -> None:
    """Without any tests nothing is run; where the user has some, an answer without code is refused."""
    (tested.home / "test_a.py").write_text("")
    assert call(tested, "run-tests.py", answered("No code.")).returncode == 0
    done = call(tested, "run-tests.py", answered("No code.", tests="test_a.py"))
    assert (done.returncode, "no Python code block" in done.stderr) == (2, True)


def test_a_block_that_never_ends_is_sent_back(tested: House) -> None:
    """Half a program is not run."""
    done = call(tested, "run-tests.py", answered(GOOD.removesuffix("```\n")))
    assert (done.returncode, "no closing ``` line" in done.stderr) == (2, True)


def test_names_lead_nowhere(tested: House) -> None:
    """A path as a name is only its last part; nothing is written beside the folder."""
    text = "```python ../../solution.py\ndef f(x): return 2\n```\n```python /tests/test_a.py\nfrom solution import f\ndef test_f(): assert f(1) == 2\n```"
    assert call(tested, "run-tests.py", answered(text)).returncode == 0
    assert not (tested.home / "solution.py").exists()


def test_at_some_time_the_answer_stands(tested: House) -> None:
    """After four corrections Kimi is not sent back any more, and the user is told why."""
    assert call(tested, "run-tests.py", answered(BAD, corrections=3)).returncode == 2
    done = call(tested, "run-tests.py", answered(BAD, corrections=4))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["systemMessage"].startswith("run-tests: after 4 corrections this is still wrong: ")


def test_without_pytest_nobody_is_sent_back(tested: House, tmp_path: Path) -> None:
    """A Python without pytest is told with the remedy, and is no fault of Kimi's."""
    bare = fake(tmp_path / "bare", "python3", f'exec "{os.path.realpath(sys.executable)}" -S "$@"') / "python3"
    done = call(tested, "run-tests.py", answered(BAD), RUN_TESTS_PYTHON=str(bare))
    assert done.returncode == 1
    assert "write RUN_TESTS_PYTHON=" in done.stderr
    assert call(tested, "run-tests.py", answered(BAD), RUN_TESTS_PYTHON=sys.executable).returncode == 2


# Takes bwrap's place: writes its options down and runs the command behind them.
BOX = """
printf '%s\\n' "$*" >> "${0%/*}/said"
while [ $# -gt 0 ]; do
  case $1 in
    --bind | --ro-bind-try) shift 3 ;;
    --chdir | --proc | --dev | --tmpfs) shift 2 ;;
    --*) shift ;;
    *) break ;;
  esac
done
exec "$@"
"""


def test_a_sandbox_is_used_if_asked_for(tested: House, tmp_path: Path) -> None:
    """With RUN_TESTS_SANDBOX=bwrap the tests run behind its options; without it bwrap is only named."""
    tools = fake(tmp_path / "tools", "bwrap", BOX)
    path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = call(tested, "run-tests.py", answered(GOOD), PATH=path)
    assert "write RUN_TESTS_SANDBOX=bwrap into .env.kimi" in done.stdout
    assert not (tools / "said").exists()
    done = call(tested, "run-tests.py", answered(GOOD), PATH=path, RUN_TESTS_SANDBOX="bwrap")
    assert (done.returncode, done.stdout) == (0, "the tests passed\n")
    tried, run = (tools / "said").read_text().splitlines()
    assert tried.endswith(" true")
    assert "--unshare-all" in run
    assert str(tested.home) not in run
    assert call(tested, "run-tests.py", answered(BAD), PATH=path, RUN_TESTS_SANDBOX="bwrap").returncode == 2


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not here")
def test_the_real_sandbox_hides_the_workspace(tested: House) -> None:
    """Inside bwrap the code sees neither workspace nor home, and the tests run."""
    text = f"import os\ndef f(x): return 2 + os.path.exists({str(tested.home)!r}) + os.path.exists({os.environ['HOME']!r})\n"
    done = call(tested, "run-tests.py", answered(f"```python\n{text}```\n{TESTS}"), RUN_TESTS_SANDBOX="bwrap")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("sandbox", ["bwrap", "no-such-sandbox --x"])
def test_a_sandbox_that_does_not_work_runs_nothing(tested: House, tmp_path: Path, sandbox: str) -> None:
    """It is told with the remedy, and is no fault of Kimi's."""
    tools = fake(tmp_path / "tools", "bwrap", "echo 'No permissions to create a new namespace' >&2; exit 1")
    path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = call(tested, "run-tests.py", answered(BAD), PATH=path, RUN_TESTS_SANDBOX=sandbox)
    assert done.returncode == 1
    assert "cannot be used here" in done.stderr


# refuse-secrets. Put together here, so that nobody takes them for real ones.

A40 = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6kL9n"
SECRETS = {
    "an AWS access key": "AKIA" + "IOSFODNN7EXAMPL3",
    "a GitHub token": "ghp_" + A40[:36],
    "a GitLab token": "glpat-" + A40[:20],
    "an API key (sk-...)": "sk-" + A40,
    "a Stripe key": "sk_live_" + A40[:24],
    "a Google API key": "AIza" + A40[:35],
    "a Slack token": "xoxb-" + "123456789012-" + A40[:20],
    "the address of a Slack webhook": "https://hooks.slack.com/services/T" + "0AB1/B0CD2/" + A40[:24],
    "the token of a Telegram bot": "123456789" + ":" + A40[:35],
    "the secret of a webhook": "whsec_" + A40[:32],
    "a JSON Web Token": "eyJ" + A40[:20] + ".eyJ" + A40 + "." + A40,
    "a private key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "a password in an address": "postgres://app:" + A40[:12] + "@db.internal/x",
    "a secret in a setting": "export DB_PASSWORD='" + A40[:14] + "'",
}
HARMLESS = (
    "How do I use sk-learn-based-pipelines-for-text? And task-sk-and-more-words-here?",
    "OPENAI_API_KEY=sk-...\nKIMI_API_KEY=your-key-here-1234\nTOKEN=${MY_TOKEN_12345}\nPASSWORD=xxxxxxxx1234",
    'api_key = os.environ["KIMI_API_KEY_2"]\ntokenizer=Qwen2TokenizerFast2\nmax_tokens: 1000\nsecret = make2Secrets(12)',
    "https://example.com/a:b@c and git@github.com:me/it.git, at 12:30, user@host",
    "token_ids=tokenizer2.encode(text)  # the access key is explained in chapter 12",
    "",
)


@pytest.fixture
def guarded(house: House) -> House:
    install(house, "refuse-secrets")
    return house


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_refused_and_not_repeated(guarded: House, kind: str) -> None:
    """Kind and line are told, the secret is not."""
    secret = SECRETS[kind]
    done = call(guarded, "refuse-secrets.py", prompted(f"Explain this:\n\n{secret}\n"))
    assert done.returncode == 2
    assert f"what looks like {kind} on line 3. Take it out" in done.stderr
    assert done.stdout == ""
    assert secret not in done.stderr
    assert not any(
        secret[at : at + 12] in done.stderr for at in range(10, len(secret) - 12, 4) if "PRIVATE" not in secret
    )


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_passes(guarded: House, text: str) -> None:
    """Words, placeholders and code that fetches a secret are let through."""
    done = call(guarded, "refuse-secrets.py", prompted(text))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_many_secrets_make_a_short_reason(guarded: House) -> None:
    """Five are told, the others are counted."""
    done = call(guarded, "refuse-secrets.py", prompted("\n".join([SECRETS["a GitHub token"]] * 20)))
    assert done.stderr.count("a GitHub token") == 5
    assert "and 15 more" in done.stderr


@pytest.mark.parametrize(
    "piece", ["a", "a_", "eyJ", "a.", "sk-", "a1", "x:", "token=", "token_", "-eyJ", "a://b:", "\n", "密"]
)
def test_a_large_prompt_is_looked_through_in_time(guarded: House, piece: str) -> None:
    """No text makes a shape go astray: a megabyte of anything takes less than the hook has."""
    begin = time.monotonic()
    call(guarded, "refuse-secrets.py", prompted(piece * (1_000_000 // len(piece))))
    assert time.monotonic() - begin < 20


# add-conventions


@pytest.fixture
def repository(house: House, tmp_path: Path) -> Path:
    install(house, "add-conventions")
    folder = tmp_path / "src" / "shop"
    folder.mkdir(parents=True)
    (folder / "CONVENTIONS.md").write_text("Use tabs. 用 Tab。\n")
    (folder / "AGENTS.md").write_text("Be short.")
    (folder / "CLAUDE.md").symlink_to("AGENTS.md")
    return folder


def added(house: House, repo: str | None, **environ: str) -> str:
    done = call(house, "add-conventions.py", prompted("p", **({"repo": repo} if repo else {})), **environ)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)["hookSpecificOutput"]
    assert said.pop("hookEventName") == "UserPromptSubmit"
    (context,) = said.values()
    return str(context)


def test_conventions_are_added(house: House, repository: Path) -> None:
    """Each file once, with its name, in the JSON of the contract."""
    context = added(house, str(repository), CONVENTIONS_ROOTS=f"/nowhere:{repository.parent}")
    assert context.count("Be short.") == 1
    assert "The file CONVENTIONS.md of this repository; keep to it:\n\nUse tabs. 用 Tab。" in context


def test_the_workspace_has_conventions_too(house: House, repository: Path) -> None:
    """Without `metadata.repo` its own are added; with a path from there, those of a folder in it."""
    shutil.copytree(repository, house.home / "shop", symlinks=True)
    (house.home / "AGENTS.md").write_text("Ours.")
    assert "Ours." in added(house, None)
    assert "Be short." in added(house, "shop")


def test_long_conventions_are_cut(house: House, repository: Path) -> None:
    """What goes along stays below the limit of the contract, and says that it was cut."""
    (house.home / "AGENTS.md").write_text("a" * 50_000)
    context = added(house, None)
    assert len(context) < 10_000
    assert context.endswith("\n(cut here)")


@pytest.mark.parametrize("repo", ["..", "/etc", "~root", "shop/../../src/shop", "a\0b"])
def test_no_task_can_send_other_folders(house: House, repository: Path, repo: str) -> None:
    """A folder that is not allowed is told with the remedy, and adds nothing."""
    done = call(house, "add-conventions.py", prompted("p", repo=repo))
    assert (done.returncode, done.stdout) == (1, "")
    assert "add-conventions: metadata.repo: " in done.stderr


def test_no_link_leads_to_a_secret(house: House, repository: Path) -> None:
    """A file that is a link to something else is passed over."""
    house.workspace.secrets_file.write_text("KIMI_API_KEY=hidden")
    (house.home / "AGENTS.md").symlink_to(".env.kimi")
    (house.home / "CLAUDE.md").symlink_to(repository / "AGENTS.md")
    done = call(house, "add-conventions.py", prompted("p"))
    assert (done.returncode, done.stdout) == (0, "")


# check-json

needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="check-json calls jq")
VALID = '{"title": "a", "tags": ["x"]}'


@pytest.fixture
def checked(house: House) -> House:
    install(house, "check-json")
    return house


@needs_jq
@pytest.mark.parametrize("text", [VALID, f"Here:\n\n```json\n{VALID}\n```\nDone.", f"  ```json\n  {VALID}\n  ```"])
def test_json_by_the_rules_passes(checked: House, text: str) -> None:
    """Alone or in a block."""
    done = call(checked, "check-json.sh", answered(text))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_jq
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Sorry.", "not valid JSON"),
        ("", "not valid JSON"),
        ("{'title': 1}", "not valid JSON"),
        (f"{VALID} {VALID}", "not valid JSON"),
        ("[1]", "- it must be an object, and is of the type array"),
        ('{"title": "", "tags": "x"}', "- `title` must be a text\n- `tags` must be a list"),
        ('{"title": "a", "tags": [1], "$(id)": 1}', "- `tags` must be a list of texts, with at least one\n- there must be no key `$(id)`"),
    ],
)  # fmt: skip
def test_other_json_sends_kimi_back(checked: House, text: str, said: str) -> None:
    """With what is wrong, line by line."""
    done = call(checked, "check-json.sh", answered(text))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_without_jq_the_remedy_is_told(checked: House, tmp_path: Path) -> None:
    """A machine without jq is no fault of Kimi's."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "bash").symlink_to(shutil.which("bash") or "")
    done = call(checked, "check-json.sh", answered(VALID), PATH=str(tools))
    assert done.returncode == 1
    assert "install it (apt install jq" in done.stderr


@needs_jq
@pytest.mark.parametrize(("rules", "said"), [("if type", "is no program for jq"), (None, "put it beside the script")])
def test_rules_that_cannot_be_used_are_told(checked: House, rules: str | None, said: str) -> None:
    """Rules that are missing or broken are no fault of Kimi's."""
    file = checked.workspace.hooks / "check-json.jq"
    file.write_text(rules) if rules else file.unlink()
    done = call(checked, "check-json.sh", answered(VALID))
    assert done.returncode == 1
    assert said in done.stderr
