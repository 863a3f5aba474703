"""The examples that tell of ended tasks, and what holds for all of them."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import socket
import threading
from pathlib import Path, PurePosixPath
from runpy import run_path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks import config
from tests.examples import EXAMPLES, NAMES, TASK_ID, call, config_of, ended, fake, install, scripts_of
from tests.house import House

SCRIPTED = [name for name in NAMES if scripts_of(name)]

# All of them


@pytest.mark.parametrize("name", [name for name in NAMES if name != "chat-http"])
def test_the_config_can_be_pasted(name: str) -> None:
    """It is a good config by itself."""
    text = (EXAMPLES / name / "config.yaml").read_text()
    assert config.parse(text, name).named_hooks()


@pytest.mark.parametrize("name", SCRIPTED)
def test_the_scripts_are_there(name: str) -> None:
    """Each file that a config names lies beside it and can be executed; each script is named, or is rules for one."""
    handlers = [one for groups in config_of(name)["hooks"].values() for group in groups for one in group["hooks"]]
    named = {one["command"].removeprefix("hooks/") for one in handlers}
    found = {script.name: script for script in scripts_of(name)}
    assert named == {script for script in found if not script.endswith(".jq")}
    assert [script for script in named if not os.access(found[script], os.X_OK)] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_tells_how_to_install_and_change_it(name: str) -> None:
    """Each has a README with both headings, a line in the list, and every variable that it takes is explained."""
    readme = (EXAMPLES / name / "README.md").read_text()
    assert readme.startswith(f"# {name}\n")
    assert re.findall(r"^## (Install|Change it)$", readme, re.MULTILINE) == ["Install", "Change it"]
    assert f"\n| [{name}]({name}/README.md) |" in (EXAMPLES / "README.md").read_text()
    handlers = [one for groups in config_of(name)["hooks"].values() for group in groups for one in group["hooks"]]
    variables = {word for one in handlers for word in [*one.get("env", []), *one.get("allowedEnvVars", [])]}
    assert [word for word in variables if word not in readme] == []


# save-code

HOSTILE = """
```python ../../outside.py
x = 1
```
```sh /etc/cron.d/evil.sh
x
```
```text title="..\\..\\windows.txt"
x
```
```sh .git/hooks/post-commit.sh
x
```
```json manifest.json
{}
```
```python name="a.py"
1
```
```python A.PY
2
```
```python a.py/b.py
3
```
```
# $(touch pwned).py
```
"""


def saved(house: House) -> dict[str, str]:
    folder = house.home / "answers" / TASK_ID
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def manifest(house: House) -> Any:
    return json.loads(saved(house)["manifest.json"])


def test_code_blocks_become_files(house: House) -> None:
    """Names come from the fence or the first line, else from number and language."""
    install(house, "save-code")
    text = "A:\n```python src/app.py\nimport b\n```\n- B:\n  ~~~js\n  // lib/b.js\n  let x = '```'\n  ~~~\n```bash\nls\n```\n"
    done = call(house, "save-code.py", ended(output=text))
    assert (done.returncode, done.stderr) == (0, "")
    files = saved(house)
    assert files.pop("manifest.json")
    assert files == {"src/app.py": "import b\n", "lib/b.js": "// lib/b.js\nlet x = '```'\n", "block-3.sh": "ls\n"}


def test_no_name_leads_out_of_the_folder(house: House) -> None:
    """Hostile names become harmless ones: inside, not hidden, not executable, none over another."""
    install(house, "save-code")
    before = {*house.home.rglob("*")}
    assert call(house, "save-code.py", ended(output=HOSTILE)).returncode == 0
    folder = house.home / "answers" / TASK_ID
    made = {*house.home.rglob("*")} - before - {folder, folder.parent}
    assert all(path.is_relative_to(folder) for path in made)
    assert set(saved(house)) == {
        "manifest.json", "outside.py", "etc/cron.d/evil.sh", "windows.txt", "git/hooks/post-commit.sh",
        "manifest-2.json", "a.py", "A-2.PY", "a.py_b.py", "block-9.txt",
    }  # fmt: skip
    assert [path for path in made if path.is_file() and path.stat().st_mode & 0o111] == []
    assert manifest(house)["files"][0]["said_name"] == "../../outside.py"


def test_a_block_that_never_ends_is_kept_and_told(house: House) -> None:
    """What had arrived is saved, and the manifest says that it is not complete."""
    install(house, "save-code")
    assert call(house, "save-code.py", ended(output="````py\n```\nx = 1")).returncode == 0
    assert saved(house)["block-1.py"] == "```\nx = 1\n"
    assert [file["complete"] for file in manifest(house)["files"]] == [False]


def test_saving_twice_changes_nothing(house: House) -> None:
    """A second run for the event finds the folder, and leaves no other."""
    install(house, "save-code")
    call(house, "save-code.py", ended(output="```\na\n```"))
    mine = house.home / "answers" / TASK_ID / "block-1.txt"
    mine.write_text("edited")
    assert call(house, "save-code.py", ended(output="```\na\n```")).returncode == 0
    assert mine.read_text() == "edited"
    assert [path.name for path in (house.home / "answers").iterdir()] == [TASK_ID]


def test_saving_without_room_is_tried_again(house: House) -> None:
    """A place that cannot be written is told with the remedy, by the exit code for another try."""
    install(house, "save-code")
    (house.home / "file").write_text("")
    done = call(house, "save-code.py", ended(output="```\na\n```"), SAVE_CODE_FOLDER="file")
    assert done.returncode == 1
    assert "make room or mend its rights" in done.stderr


clean_name = run_path(str(EXAMPLES / "save-code" / "save-code.py"))["clean_name"]


@given(st.text(st.sampled_from("ab./\\~ -\n\0é$*\u202e"), max_size=30) | st.text(max_size=400))
def test_any_name_is_made_clean(said: str) -> None:
    """Whatever Kimi says, the path stays inside, has no hidden part, and is short enough for a disk."""
    name = clean_name(said)
    path = PurePosixPath(name or "x")
    assert not path.is_absolute()
    assert all(part[0] not in ".- " and part.isprintable() and len(part.encode()) <= 120 for part in path.parts)


def test_the_runner_saves_code(house: House) -> None:
    """Installed in a workspace, it saves the code of an answer."""
    install(house, "save-code")
    house.drop("a.md", "standin: text=```py x.py")
    house.drain()
    assert [run.outcome for run in house.runs()] == ["delivered"]
    assert (house.home / "answers" / house.entry().id / "x.py").exists()


# ledger


def lines(house: House) -> list[list[str]]:
    with (house.home / "ledger.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_the_ledger_has_a_line_for_each_task(house: House) -> None:
    """Done and failed tasks are in it, once each, under one header."""
    install(house, "ledger")
    house.drop("a.json", {"prompt": "hello", "name": 'it\'s, "a"', "standin": True})
    house.drop("b.md", "standin: status=403")
    house.drain()
    assert [run.outcome for run in house.runs()] == ["delivered"] * 2
    header, *rows = lines(house)
    assert header == ["time", "id", "name", "model", "tokens", "cost", "currency", "status", "event_id"]
    assert sorted(row[2:3] + row[7:8] for row in rows) == [["b", "failed"], ['it\'s, "a"', "done"]]
    assert {row[8] for row in rows} == {run.event_id for run in house.runs()}


def test_the_ledger_counts_nothing_twice(house: House) -> None:
    """A second run for the same event adds no line."""
    install(house, "ledger")
    assert [call(house, "ledger.py", ended()).returncode for _ in range(2)] == [0, 0]
    assert lines(house)[1:] == [
        ["2026-02-17T15:30:00Z", TASK_ID, "a", "kimi-k3", "700", "0.0081", "CNY", "done", f"{TASK_ID}-TaskCompleted"]
    ]


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\uff1d1", " =1", "x; =1;+2"])
def test_no_name_is_a_formula(house: House, name: str) -> None:
    """What a spreadsheet would calculate is defused, also where cells are divided by semicolons."""
    install(house, "ledger")
    call(house, "ledger.py", ended(task_name=name, model=name))
    _, row = lines(house)
    assert row[2] == row[3]
    assert all(cell.strip()[:1] not in {"=", "+", "-", "@", "\uff1d"} for cell in row[2].split(";"))


def test_runs_side_by_side_spoil_no_line(house: House) -> None:
    """Many runs at once leave one header and one whole line each."""
    install(house, "ledger")
    told = [{**ended(), "event_id": f"e{number}", "task_name": "n" * 5000} for number in range(12)]
    threads = [threading.Thread(target=call, args=(house, "ledger.py", one)) for one in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    header, *rows = lines(house)
    assert header[0] == "time"
    assert sorted(row[8] for row in rows) == sorted(one["event_id"] for one in told)


def test_a_line_that_was_cut_is_written_again(house: House) -> None:
    """Half a line, as a power failure leaves it, does not stay; the whole ones do."""
    install(house, "ledger")
    call(house, "ledger.py", {**ended(), "event_id": "first"})
    with (house.home / "ledger.csv").open("a") as file:
        file.write("2026-02-17T15:30:00Z,half")
    call(house, "ledger.py", {**ended(), "event_id": "second"})
    assert [row[8] for row in lines(house)] == ["event_id", "first", "second"]


def test_the_ledger_without_room_is_tried_again(house: House) -> None:
    """A file that cannot be written is told with the remedy, by the exit code for another try."""
    install(house, "ledger")
    done = call(house, "ledger.py", ended(), LEDGER_FILE="hooks")
    assert done.returncode == 1
    assert "make room or mend its rights" in done.stderr


# desktop-notice

NAME = "$(touch pwned) `id` <b>&amp;"
# Writes its arguments into the folder in which it lies, each with its line.
NOTE = 'printf "%s\\n" "$@" > "${0%/*}/said"'


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with what the scripts call, without any desktop."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("bash", "id"):
        (folder / name).symlink_to(shutil.which(name) or "")
    return folder


def test_a_notice_on_linux(house: House, tools: Path) -> None:
    """The name is one word and nothing in it is evaluated or taken for a mark."""
    install(house, "desktop-notice")
    fake(tools, "notify-send", NOTE)
    done = call(
        house, "desktop-notice.sh", ended(task_name=NAME), PATH=str(tools), DBUS_SESSION_BUS_ADDRESS="unix:path=/x"
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = (tools / "said").read_text().splitlines()
    assert said == ["--app-name=kimi-hooks", "Kimi: done", "Task: $(touch pwned) `id` &lt;b&gt;&amp;amp;"]


def test_a_notice_on_the_bus_of_the_user(house: House, tools: Path, tmp_path: Path) -> None:
    """A runner that does not know the bus finds it in the user's run folder."""
    install(house, "desktop-notice")
    fake(tools, "notify-send", 'printf "%s" "$DBUS_SESSION_BUS_ADDRESS" > "${0%/*}/said"')
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(str(tmp_path / "bus"))
        done = call(house, "desktop-notice.sh", ended(), PATH=str(tools), XDG_RUNTIME_DIR=str(tmp_path))
    assert done.returncode == 0
    assert (tools / "said").read_text() == f"unix:path={tmp_path}/bus"


def test_a_notice_on_a_mac(house: House, tools: Path) -> None:
    """The name is an argument of the script, never a part of it."""
    install(house, "desktop-notice")
    fake(tools, "osascript", NOTE)
    assert call(house, "desktop-notice.sh", ended(task_name=NAME), PATH=str(tools)).returncode == 0
    said = (tools / "said").read_text().splitlines()
    assert said[-2:] == ["Kimi: done", f"Task: {NAME}"]
    assert [word for word in said[:-2] if "pwned" in word] == []


@pytest.mark.parametrize("has_program", [True, False])
def test_where_nobody_sits_nothing_fails(house: House, tools: Path, has_program: bool) -> None:
    """Without a desktop, or without a program for notices, it says so and is delivered."""
    install(house, "desktop-notice")
    if has_program:
        fake(tools, "notify-send", NOTE)
    done = call(house, "desktop-notice.sh", ended(), PATH=str(tools), XDG_RUNTIME_DIR=str(tools))
    assert done.returncode == 0
    assert f"nobody was told of {TASK_ID}" in done.stdout
    assert not (tools / "said").exists()


def test_a_notice_that_fails_is_tried_again(house: House, tools: Path) -> None:
    """Whatever exit code the program has, the hook does not give up."""
    install(house, "desktop-notice")
    fake(tools, "notify-send", "exit 2")
    done = call(house, "desktop-notice.sh", ended(), PATH=str(tools), DBUS_SESSION_BUS_ADDRESS="unix:path=/x")
    assert done.returncode == 1
