"""`kimi-hooks models`: what is known here, and what Kimi tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kimi_hooks.kimi.catalogue import make
from kimi_hooks.kimi.comparison import Comparison, Window, compare
from tests.house import House

LIVE = [model.id for model in make().live()]
CN, AI = "https://api.moonshot.cn/v1", "https://api.moonshot.ai/v1"


def listed(house: House, *options: str) -> Any:
    finished = house.call("models", "--json", *options)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def row(text: str, name: str) -> list[str]:
    """Return the words of the line that begins with this model, behind its mark."""
    (found,) = [line[2:].split() for line in text.splitlines() if line[2:].split()[:1] == [name]]
    return found


@pytest.mark.parametrize(("url", "prices"), [(CN, ["2.00", "20.00", "100.00"]), (AI, ["0.30", "3.00", "15.00"])])
def test_the_table(house: House, url: str, prices: list[str]) -> None:
    """Sizes, words for thinking, prices in the money of the host, their day; at most 100 columns; nobody is asked."""
    text = house.call("models", KIMI_API_URL=url).stdout
    assert row(text, "kimi-k3") == ["kimi-k3", "1,048,576", "131,072", "low", "high", "max", *prices, "2026-11-22"]
    assert row(text, "kimi-k2.6")[3:5] == ["enabled", "disabled"]
    assert row(text, "moonshot-v1-8k") == ["moonshot-v1-8k", "2026-08-31", "kimi-k3"]
    assert max(map(len, text.splitlines())) <= 100
    assert house.kimi.requests == ()


def test_the_default_is_marked(house: House) -> None:
    """With the place that says so."""
    assert "* asked when a task names no model: kimi-k3 (default)" in house.call("models").stdout
    text = house.call("models", KIMI_MODEL="kimi-k2.6").stdout
    assert [line.split()[1] for line in text.splitlines() if line.startswith("* kimi-")] == ["kimi-k2.6"]
    assert "kimi-k2.6 (environment)" in text


def test_a_default_that_is_not_well_is_told(house: House) -> None:
    """Retired, or unknown."""
    assert "! kimi-k2.5 is retired" in house.call("models", KIMI_MODEL="kimi-k2.5", KIMI_API_URL=CN).stdout
    assert "! nothing is known of the model kimi-k9" in house.call("models", KIMI_MODEL="kimi-k9").stdout


def test_money_that_is_not_known(house: House) -> None:
    """Another host has no prices until its currency is set, and the table says where."""
    assert row(house.call("models").stdout, "kimi-k3")[-4:-1] == ["-", "-", "-"]
    assert "set kimi.currency in config.yaml" in house.call("models").stdout
    house.configure(kimi={"currency": "USD"})
    assert row(house.call("models").stdout, "kimi-k3")[-4:-1] == ["0.30", "3.00", "15.00"]


def test_models_of_ones_own_are_listed(house: House) -> None:
    """What config.yaml says stands beside what the program knows; what steers a terminal does not get there."""
    house.configure(
        kimi={"models": {"mine": {"context": 4096}, "kimi-k3": {"context": 7}, "gone": {"retired": "2026-01-01"}}}
    )
    text = house.call("models").stdout
    assert row(text, "mine") == ["mine", "4,096", "-", "-", "-", "-", "-", "-"]
    assert row(text, "kimi-k3")[1] == "7"
    assert row(text, "gone") == ["gone", "2026-01-01", "-"]


def test_json_has_every_fact(house: House) -> None:
    """Each model with each key of kimi.models, and what the table says around it."""
    house.environ["KIMI_API_URL"] = CN
    said = listed(house)
    assert (said["host"], said["currency"], said["retired_models"]) == ("api.moonshot.cn", "CNY", "substitute")
    assert said["default"] == {"model": "kimi-k3", "from": "default", "warning": None}
    assert said["remote"] is None
    by_id = {model["id"]: model for model in said["models"]}
    k3 = by_id["kimi-k3"]
    assert (k3["is_default"], k3["prices"]["USD"]["output"], k3["default_effort"]) == (True, 15.0, "max")
    assert by_id["kimi-k2.6"]["fixed_without_thinking"] == {"temperature": 0.6}
    assert (by_id["kimi-latest"]["retired"], by_id["kimi-latest"]["successor"]) == ("2026-01-28", "kimi-k3")


def test_an_address_with_a_password_is_not_shown(house: House) -> None:
    """Only the host is told."""
    finished = house.call("models", KIMI_API_URL="https://me:hidden@relay.example.test/v1")
    assert "relay.example.test" in finished.stdout
    assert "hidden" not in finished.stdout + finished.stderr


# Kimi itself is asked


def test_remote_shows_both_sides(house: House) -> None:
    """There and known; there and unknown; known and not there. One request, and no chat."""
    house.kimi.known_models = frozenset({"kimi-k3", "kimi-k9"})
    text = house.call("models", "--remote").stdout
    assert "there and known:     kimi-k3\n" in text
    assert "there, unknown here: kimi-k9\n" in text
    assert "known, not there:    kimi-k3.1-pro, " in text
    assert max(map(len, text.splitlines())) <= 100
    assert [(request.method, request.path) for request in house.kimi.requests] == [("GET", "/v1/models")]
    said = listed(house, "--remote")["remote"]
    assert (said["known"], said["unknown"]) == (["kimi-k3"], ["kimi-k9"])
    assert said["missing"] == [name for name in LIVE if name != "kimi-k3"]


def test_remote_agrees_with_what_is_known(house: House) -> None:
    """The imitation has what the program knows as live."""
    said = listed(house, "--remote")["remote"]
    assert (sorted(said["known"]), said["unknown"], said["missing"], said["windows"]) == (sorted(LIVE), [], [], [])


def test_another_window_is_told(house: House) -> None:
    """What Kimi says of a size, where it is not what is known here."""
    house.configure(kimi={"models": {"kimi-k3": {"context": 7}}})
    text = house.call("models", "--remote").stdout
    assert "the window of kimi-k3 is 1,048,576 there and 7 here" in text


def test_without_a_key_nobody_is_asked(house: House) -> None:
    """One line with the place for it; exit code 1."""
    finished = house.call("models", "--remote", KIMI_API_KEY="")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.count("\n") == 1
    assert str(house.workspace.secrets_file) in finished.stderr
    assert house.kimi.requests == ()


def test_a_refused_key_is_told_in_one_line(house: House) -> None:
    """With the remedy, and without the key."""
    finished = house.call("models", "--remote", KIMI_API_KEY="sk-of-the-other-site")
    assert (finished.returncode, finished.stdout, finished.stderr.count("\n")) == (1, "", 1)
    assert "KIMI_API_KEY is right and belongs to the address in KIMI_API_URL" in finished.stderr
    assert "sk-of-the-other-site" not in finished.stderr


def test_an_address_where_nobody_is_is_told_in_one_line(house: House) -> None:
    """No traceback for a host that is not there."""
    finished = house.call("models", "--remote", KIMI_API_URL="http://127.0.0.1:9/v1")
    assert (finished.returncode, finished.stdout, finished.stderr.count("\n")) == (1, "", 1)
    assert "127.0.0.1" in finished.stderr


def test_what_is_no_model_is_passed_over() -> None:
    """Foreign lists are read loosely: no id, no size, sizes that are none."""
    odd: list[dict[str, Any]] = [{}, {"id": 3}, {"id": ""}, {"id": "kimi-k3", "context_length": "big"}, {"id": "x"},
                                 {"id": "kimi-k2.5", "context_length": True}, {"id": "kimi-k2.6", "context_length": 1}]  # fmt: skip
    compared = compare(make(), odd)
    assert compared == Comparison(
        known=("kimi-k3", "kimi-k2.5", "kimi-k2.6"),
        unknown=("x",),
        missing=tuple(name for name in LIVE if name not in {"kimi-k3", "kimi-k2.6"}),
        windows=(Window("kimi-k2.6", 1, 262_144),),
    )


def test_a_model_that_goes_is_live_until_its_day(house: House) -> None:
    """It stands among the live ones, with its last day and what follows it."""
    house.configure(kimi={"models": {"kimi-k2.6": {"retired": "2999-12-31", "successor": "kimi-k3"}}})
    text = house.call("models").stdout
    assert row(text.partition("Retired models")[0], "kimi-k2.6")[1] == "262,144"
    assert "  kimi-k2.6: its last day is 2999-12-30, kimi-k3 follows it\n" in text
    said = {model["id"]: model for model in listed(house)["models"]}
    goes, gone, stays = said["kimi-k2.6"], said["kimi-k2.5"], said["kimi-k3"]
    assert (goes["retired"], goes["is_retired"], goes["last_day"]) == ("2999-12-31", False, "2999-12-30")
    assert goes["successor"] == "kimi-k3"
    assert (gone["is_retired"], gone["last_day"]) == (True, "2026-08-30")
    assert (stays["is_retired"], stays["last_day"], stays["successor"]) == (False, None, None)


def test_retired_names_are_replaced_for_tasks_of_the_imitation(house: House) -> None:
    """It is the task that counts: the imitation under KIMI_API_URL is asked for what was written."""
    assert "for tasks with standin: true" in " ".join(house.call("models").stdout.split())


@pytest.mark.parametrize("mark", ["\u200f", "\u061c", "\u200b", " "])
def test_no_model_looks_like_another(house: House, mark: str) -> None:
    """An id with a character that nobody sees is refused, and the character is named."""
    house.configure(kimi={"models": {f"kimi-k3{mark}": {"context": 5}}})
    refused = house.call("models")
    assert refused.returncode == 1
    assert f"U+{ord(mark):04X}" in refused.stderr
