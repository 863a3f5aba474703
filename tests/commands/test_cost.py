"""`kimi-hooks cost`."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from kimi_hooks.commands.cost import _remarks
from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import State
from tests.house import House

HOUR = 3600.0
PRICES = {"kimi-k3": {"prices": {"USD": {"hit": 0.3, "miss": 3.0, "output": 15.0}}}}


@pytest.fixture
def paying(house: House) -> House:
    """A workspace whose Kimi, on loopback, has the prices of the international site."""
    configure(house)
    return house


def configure(house: House, **kimi: Any) -> None:
    house.configure(kimi={"models": PRICES, "currency": "USD", **kimi})


def cost(house: House, *arguments: str) -> dict[str, Any]:
    told = house.call("cost", "--json", *arguments)
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def test_the_bill_is_the_sum_of_the_results(paying: House) -> None:
    """Tokens and money of all tasks together, and each result tells its own."""
    for number in range(3):
        paying.drop(f"{number}.md", f"task {number}")
    paying.drain()
    results = [paying.result(entry.id) for entry in paying.entries()]
    total = cost(paying)["total"]
    assert total["calls"] == 3
    assert total["tokens"]["total"] == sum(result["tokens"]["total"] for result in results)
    assert total["cost"] == [{"amount": pytest.approx(sum(r["cost"]["amount"] for r in results)), "currency": "USD"}]
    for result in results:
        tokens = result["tokens"]
        assert result["cost"]["amount"] == pytest.approx((tokens["prompt"] * 3 + tokens["completion"] * 15) / 1e6)


def test_a_failed_call_that_told_its_tokens_is_paid_for(paying: House) -> None:
    """The result and the bill hold what an empty answer took."""
    paying.kimi.add(Fault(text=""))
    paying.drop("a.md", "a")
    paying.drain()
    result, total = paying.result(), cost(paying)["total"]
    assert (result["attempts"], total["calls"]) == (2, 2)
    assert result["tokens"]["total"] == total["tokens"]["total"]
    assert result["cost"] == total["cost"][0]
    answer_alone = cost(paying, "--by", "model")["rows"]
    assert sum(row["tokens"]["total"] for row in answer_alone) == total["tokens"]["total"]


@pytest.mark.parametrize(
    ("fault", "unknown"),
    [(Fault("cut"), 1), (Fault("http", status=500), 1), (Fault("http", status=429), 0), (Fault("http", status=400), 0)],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else str(value),
)
def test_calls_that_never_told_are_counted_apart(paying: House, fault: Fault, unknown: int) -> None:
    """A cut call may have been paid for; what Kimi refuses costs nothing."""
    paying.kimi.add(fault)
    paying.drop("a.md", "a")
    paying.drain()
    total = cost(paying)["total"]
    assert (total["unknown"], total["free"]) == (unknown, 1 - unknown)
    assert any("cost are without that" in warning for warning in paying.result()["warnings"]) is bool(unknown)


def test_an_answer_that_breaks_off_for_want_of_credit_is_counted_apart(paying: House) -> None:
    """The queue pauses; what had come of the answer may have been paid for."""
    paying.kimi.add(Fault("stream-error", type="exceeded_current_quota_error"))
    paying.drop("a.md", "a")
    paying.drain()
    assert paying.entry().state is State.AVAILABLE
    assert cost(paying)["total"]["unknown"] == 1


def test_a_call_that_never_left_costs_nothing(paying: House) -> None:
    """Where nobody listens, nobody is paid."""
    paying.kimi.close()
    paying.configure(retry={"max_attempts": 2, "first_pause": 0.01, "max_pause": 0.02})
    paying.drop("a.md", "a")
    paying.drain()
    total = cost(paying)["total"]
    assert (total["calls"], total["unknown"], total["tokens"]["total"]) == (2, 0, 0)
    assert paying.result()["warnings"] == []


@pytest.mark.parametrize("spec", [{"model": "kimi-latest"}, {"model": "kimi-k2.6", "max_tokens": 10**6}])
def test_a_request_that_is_not_sent_is_no_call(paying: House, spec: dict[str, Any]) -> None:
    """What ends here, before it leaves, is neither in the bill nor among the attempts."""
    configure(paying, retired_models="fail")
    paying.environ["KIMI_API_URL"] = "https://api.moonshot.cn/v1" if len(spec) == 1 else paying.kimi.url
    paying.drop("a.json", {"prompt": "a", **spec})
    paying.drain()
    result = paying.result()
    assert (result["outcome"], result["attempts"], result["started_at"]) == ("failed", 0, None)
    assert cost(paying)["total"]["calls"] == 0


def test_a_call_that_the_runners_death_cut_is_unknown(paying: House) -> None:
    """Nobody knows what it took; the call that came after it is known."""
    paying.kimi.add(Fault("stall"))
    paying.drop("a.md", "a")
    paying.start()
    assert paying.kimi.wait_for(1)
    paying.close()
    paying.drain()
    total = cost(paying)["total"]
    assert (total["calls"], total["unknown"], total["under_way"]) == (2, 1, 0)
    assert total["tokens"]["total"] == paying.result()["tokens"]["total"]


def test_the_bill_is_divided_by_what_one_asks_for(paying: House) -> None:
    """By day, model, name and group; the parts add up to the whole."""
    paying.drop("1.json", {"prompt": "a", "name": "one", "group": "-5"})
    paying.drop("2.json", {"prompt": "b", "name": "two", "group": "-5", "model": "kimi-k2.6"})
    paying.drain()
    whole = cost(paying)["total"]["tokens"]["total"]
    parts = {by: cost(paying, "--by", by)["rows"] for by in ("day", "model", "name", "group")}
    assert [row["part"] for row in parts["name"]] == ["one", "two"]
    assert [row["part"] for row in parts["model"]] == ["kimi-k2.6", "kimi-k3"]
    assert [row["part"] for row in parts["group"]] == ["-5"]
    assert [row["part"] for row in parts["day"]] == [time.strftime("%Y-%m-%d")]
    for rows in parts.values():
        assert sum(row["tokens"]["total"] for row in rows) == whole


def test_only_what_is_asked_for(paying: House) -> None:
    """`--since` takes an age or an instant; what is neither is told."""
    paying.drop("a.md", "a")
    paying.drain()
    assert cost(paying, "--since", "1h")["total"]["calls"] == 1
    assert cost(paying, "--since", "2000-01-01")["total"]["calls"] == 1
    assert cost(paying, "--since", "2999-01-01")["total"]["calls"] == 0
    refused = paying.call("cost", "--since", "yesterday")
    assert (refused.returncode, "24h" in refused.stderr) == (2, True)


def test_the_imitation_costs_nothing(paying: House) -> None:
    """It is not in the bill."""
    paying.drop("a.json", {"prompt": "a", "standin": True})
    paying.drain()
    assert cost(paying)["rows"] == []
    assert "no call" in paying.call("cost").stdout


def test_a_price_that_is_not_known_is_no_zero(house: House) -> None:
    """The tokens are told, the money is not, and why."""
    house.drop("a.md", "a")
    house.drain()
    total = cost(house)["total"]
    assert (total["cost"], total["unpriced"]) == ([], 1)
    assert house.result()["cost"] is None
    assert "price is not known" in house.call("cost").stdout


def test_what_an_agent_that_asks_would_have_spent(paying: House) -> None:
    """Both numbers are the reader's, and stand in the text."""
    paying.kimi.add(Fault(latency=0.5))
    paying.drop("a.md", "a")
    paying.drain()
    polling = cost(paying, "--poll-every", "0.1", "--poll-tokens", "1500")["polling"]
    assert (polling["tasks"], polling["tokens"], polling["every"]) == (1, 1500, 0.1)
    assert polling["polls"] >= 5
    assert polling["spent"] == 1500 * polling["polls"]
    told = paying.call("cost", "--poll-every", "0.1", "--poll-tokens", "1500").stdout
    assert "every 0.1 s" in told
    assert "1,500 tokens" in told
    assert paying.call("cost", "--poll-every", "5").returncode == 2


def test_the_table_is_for_people(paying: House) -> None:
    """A head, a line for each part, and a sum where there are several; names cannot steer the terminal."""
    paying.drop("1.json", {"prompt": "a", "name": "one \u202e two"})
    paying.drop("2.json", {"prompt": "b", "name": "x" * 150})
    paying.drain()
    table = paying.call("cost", "--by", "name").stdout
    assert "\u202e" not in table
    assert table.splitlines()[0].split() == ["name", "calls", "input", "cached", "output", "cost"]
    assert table.splitlines()[3].startswith("all")
    assert max(map(len, table.splitlines())) <= 100


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        (
            1,
            ["Of 1 call the price is not known;", "1 of the calls cost nothing: it was refused", "about this 1 task ("],
        ),
        (2, ["Of 2 calls the price is not known;", "2 of the calls cost nothing: they were", "about these 2 tasks ("]),
    ],
)
def test_one_is_not_told_as_many(house: House, calls: int, told: list[str]) -> None:
    """What is counted has its own word for one."""
    house.kimi.add(*(Fault("http", status=429) for _ in range(calls)))
    for number in range(calls):
        house.drop(f"{number}.md", "a")
    house.drain()
    text = house.call("cost", "--poll-every", "3600", "--poll-tokens", "1").stdout
    for words in told:
        assert words in text


@pytest.mark.parametrize(
    ("total", "told"),
    [
        ({"unknown": 1}, "Of 1 call nobody knows what it took: it was cut, and may have been paid for."),
        ({"unknown": 2}, "Of 2 calls nobody knows what they took: they were cut, and may have been paid for."),
        ({"under_way": 1}, "1 of the calls is under way."),
        ({"under_way": 2}, "2 of the calls are under way."),
    ],
)
def test_remarks_on_one_call_and_on_several(total: dict[str, int], told: str) -> None:
    """The same, where calls would have to be cut to be counted."""
    assert list(_remarks({"under_way": 0, "free": 0, "unknown": 0, "unpriced": 0, **total})) == [told]
