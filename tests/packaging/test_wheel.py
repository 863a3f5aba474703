"""What is packed: all that the program needs, and nothing that belongs to whoever packed it."""

from __future__ import annotations

import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from kimi_hooks import __version__, config
from tests.packaging.machine import REPOSITORY, build, copy_of_the_sources

PRIVATE = "sk-private-of-the-packer"
PLANTED = (".env.kimi", "outbox/task.md", "results/kimi-1700000000-aaaaaaaa.json", "results/latest.json",
           "spool/journal.db", "spool/logs/runner.log", "hooks/mine.sh", "hooks/notify-agi.sh.j2.bak",
           ".venv/lib/secret.py", "kimi_hooks/__pycache__/cli.cpython-311.pyc", "notes.txt")  # fmt: skip


def members(archive: Path) -> dict[str, bytes]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(archive) as sdist:
        found = {file.name.partition("/")[2]: sdist.extractfile(file) for file in sdist.getmembers()}
        return {name: file.read() for name, file in found.items() if file is not None}


@pytest.fixture(scope="module")
def workspace_of_a_packer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone that has been used: with a key, tasks, results and hooks of its owner."""
    sources = copy_of_the_sources(tmp_path_factory.mktemp("used") / "clone")
    for name in PLANTED:
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_text(PRIVATE)
    return sources


def test_the_wheel_has_all_files_of_the_package(wheel: Path) -> None:
    """Modules, py.typed, models.yaml and any other data, byte for byte."""
    packed = members(wheel)
    package = REPOSITORY / "kimi_hooks"
    for path in (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        assert packed[str(path.relative_to(REPOSITORY))] == path.read_bytes()
    assert {"kimi_hooks/py.typed", "kimi_hooks/kimi/models.yaml"} <= set(packed)


def test_the_wheel_has_the_defaults(wheel: Path) -> None:
    """config.yaml and every hook that it names, with their run bits."""
    packed = members(wheel)
    shipped = config.parse((REPOSITORY / "config.yaml").read_text(), "config.yaml")
    names = {hook.handler.told for hook in shipped.each_hook()}
    for name in ("config.yaml", *names):
        assert packed[f"kimi_hooks/default_files/{name}"] == (REPOSITORY / name).read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        hooks = [info for info in archive.infolist() if "/default_files/hooks/" in info.filename]
    assert len(hooks) == len(names)
    assert all(info.external_attr >> 16 & 0o111 for info in hooks)


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_nothing_private_is_packed(workspace_of_a_packer: Path, tmp_path: Path, kind: str) -> None:
    """Key, tasks, results, journal, log and own hooks of the clone's owner stay at home."""
    packed = members(build(workspace_of_a_packer, tmp_path, kind))
    assert [name for name, data in packed.items() if PRIVATE.encode() in data] == []
    assert {*packed}.isdisjoint(PLANTED)


def test_the_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """Whoever starts from the source archive gets the same files."""
    sdist = build(copy_of_the_sources(tmp_path / "sources"), tmp_path / "dist", "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (sources,) = (tmp_path / "unpacked").iterdir()
    assert members(build(sources, tmp_path / "again", "wheel")) == members(wheel)


def test_the_metadata_is_complete(wheel: Path) -> None:
    """Name, version, licence, README, addresses and every dependency of pyproject.toml."""
    packed = members(wheel)
    (metadata,) = (data for name, data in packed.items() if name.endswith(".dist-info/METADATA"))
    told = message_from_string(metadata.decode())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert (told["Name"], told["Version"]) == ("kimi-hooks", __version__)
    assert told["License-Expression"] == "MIT"
    assert told["Requires-Python"] == ">=3.11"
    assert told.get_payload() == (REPOSITORY / "README.md").read_text()
    required = [value for value in told.get_all("Requires-Dist", []) if "extra ==" not in value]
    assert len(required) == len(project["dependencies"])
    labels = {value.partition(",")[0] for value in told.get_all("Project-URL", [])}
    assert labels == {"Homepage", "Documentation", "Changelog", "Issues"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in packed)
