"""What is known of the models: the program's list, what config.yaml says over it, prices, who stands in for whom."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from kimi_hooks import addressee
from kimi_hooks.config import KimiPart
from kimi_hooks.kimi import model_file
from kimi_hooks.kimi.catalogue import Catalogue, Cost, Price, make
from kimi_hooks.kimi.failure import CallFailedError
from kimi_hooks.kimi.usage import Usage, parse_usage
from kimi_hooks.standin.models import LIVE as IMITATED

CN, AI, RELAY = "https://api.moonshot.cn/v1", "https://api.moonshot.ai/v1", "http://127.0.0.1:9000/v1"
KNOWN = make()
RETIRED = sorted(name for name, model in KNOWN.models.items() if model.retired)
LIVE = sorted(set(KNOWN.models) - set(RETIRED))


def made(**keys: Any) -> Catalogue:
    """Make the catalogue of a config.yaml that says this under `kimi`."""
    return make(KimiPart.model_validate(keys))


def test_the_live_models_are_those_of_the_imitation() -> None:
    """What is not retired is live, with the context that the imitation uses too."""
    assert {name: KNOWN.models[name].context for name in LIVE} == {
        name: model.context for name, model in IMITATED.items()
    }


@pytest.mark.parametrize("name", LIVE)
def test_every_live_model_is_known_in_full(name: str) -> None:
    """Sizes, prices and parameters of each live model are known."""
    model = KNOWN.models[name]
    assert model.context
    assert model.default_output == (131_072 if name.startswith("kimi-k3") else 32_768)
    assert model.largest_output == model.context
    assert model.fixed == {"temperature": 1.0, "top_p": 0.95, "n": 1, "presence_penalty": 0, "frequency_penalty": 0}
    assert model.images is True
    assert date.fromisoformat(model.as_of or "")
    assert "USD" in model.prices
    if name.startswith("kimi-k3"):
        assert (model.reasoning_efforts, model.default_effort) == (("low", "high", "max"), "max")
        assert model.thinking == "always"
    else:
        assert (model.reasoning_efforts, model.default_effort) == ((), None)
        assert model.thinking == ("switchable" if name == "kimi-k2.6" else "enabled")


def test_thinking_changes_what_is_fixed() -> None:
    """kimi-k2.6 takes another temperature when it does not think."""
    model = KNOWN.models["kimi-k2.6"]
    assert (model.fixed["temperature"], model.fixed_without_thinking) == (1.0, {"temperature": 0.6})
    assert model.thinking_keep == "all"


@pytest.mark.parametrize("name", RETIRED)
def test_a_live_model_stands_in_for_every_retired_one(name: str) -> None:
    """Each has the day since which it is gone, and a successor that is there."""
    model = KNOWN.models[name]
    assert date.fromisoformat(model.retired or "") < date.fromisoformat(model.as_of or "")
    assert (successor := KNOWN.successor(name)) is not None
    assert successor.id in LIVE


def test_the_names_of_old_scripts_are_known_as_retired() -> None:
    """Those that stood in tutorials for years."""
    old = [f"moonshot-v1-{size}{rest}" for size in ("8k", "32k", "128k") for rest in ("", "-vision-preview")]
    k2 = [f"kimi-k2-{rest}" for rest in ("0905-preview", "0711-preview", "turbo-preview", "thinking", "thinking-turbo")]
    others = ["moonshot-v1-auto", "kimi-latest", "kimi-k2.5", "kimi-thinking-preview"]
    assert sorted([*old, *k2, *others]) == RETIRED


def test_nothing_is_guessed_of_an_unknown_model() -> None:
    """Ids are exact."""
    assert KNOWN.find("kimi-k9") is None
    assert KNOWN.find("kimi-k3 ") is None
    assert KNOWN.successor("kimi-k9") is None
    assert KNOWN.successor("kimi-k3") is None


def test_prices_of_k3() -> None:
    """The file's numbers arrive as they stand there."""
    assert KNOWN.models["kimi-k3"].prices["CNY"] == Price(hit=2.0, miss=20.0, output=100.0)


@pytest.mark.parametrize("name", [*KNOWN.models, "kimi-k9", "kimi-k2", ".*", "context", ""])
def test_the_quick_look_says_what_the_list_says(name: str) -> None:
    """Without a YAML parser the same models are found to be retired."""
    assert model_file.may_be_retired(name) is (name in RETIRED)


# What config.yaml says over it


def test_a_model_of_ones_own() -> None:
    """A new name is a new model; what was not said of it is not known."""
    model = made(models={"my-model": {"context": 131072, "prices": {"USD": {"hit": 1, "miss": 2, "output": 3}}}}).find(
        "my-model"
    )
    assert model is not None
    assert (model.context, model.prices) == (131072, {"USD": Price(1, 2, 3)})
    assert (model.default_output, model.reasoning_efforts, model.thinking, model.as_of) == (None, None, None, None)


def test_what_is_said_goes_over_what_is_known_key_by_key() -> None:
    """One key changes one fact; a price changes one currency, and is of the day that was said with it."""
    said = {"context": 5, "prices": {"USD": {"hit": 1, "miss": 2, "output": 3}}, "as_of": "2027-01-01"}
    model = made(models={"kimi-k3": said}).models["kimi-k3"]
    assert (model.context, model.default_output, model.as_of) == (5, 131_072, "2027-01-01")
    assert model.prices == {"CNY": Price(2.0, 20.0, 100.0), "USD": Price(1, 2, 3)}
    assert made(models={"kimi-k3": {"context": 5}}).models["kimi-k3"].as_of == KNOWN.models["kimi-k3"].as_of
    assert made(models={"kimi-k3": {"prices": said["prices"]}}).models["kimi-k3"].as_of is None


def test_a_fact_can_be_taken_away() -> None:
    """What is not fixed any more, and what came back."""
    models = made(models={"kimi-k3": {"fixed": {}}, "kimi-k2.5": {"retired": None}}).models
    assert models["kimi-k3"].fixed == {}
    assert models["kimi-k2.5"].retired is None


def test_one_catalogue_does_not_change_another() -> None:
    """What one config says is not known to the next."""
    made(models={"kimi-k3": {"context": 5}, "mine": {}})
    assert make().models["kimi-k3"].context == 1_048_576
    assert make().find("mine") is None


# Prices


@pytest.mark.parametrize(
    ("url", "currency"),
    [
        (CN, "CNY"),
        ("https://api.moonshot.ai/v1/", "USD"),
        ("https://API.MOONSHOT.AI", "USD"),
        ("https://kimi.example.cn/v1", "CNY"),
        (RELAY, None),
        ("https://api.example.com/ai", None),
        ("http://[", None),
        ("", None),
    ],
)
def test_currency_follows_the_host(url: str, currency: str | None) -> None:
    """The host's ending tells the currency, and nothing else does."""
    assert KNOWN.currency_of(url) == currency


@pytest.mark.parametrize(
    ("url", "currency"), [(CN, "CNY"), (AI, "USD"), (RELAY, "USD"), ("https://kimi.example.cn", "USD")]
)
def test_a_currency_can_be_set_for_other_hosts(url: str, currency: str) -> None:
    """`kimi.currency` counts everywhere but at the official hosts."""
    assert made(currency="USD").currency_of(url) == currency


def test_cost_counts_cached_tokens_at_their_own_price() -> None:
    """Cost = (prompt - cached) x miss + cached x hit + completion x output."""
    usage = Usage(prompt=90, completion=34, total=124, cached=64, reasoning=17)
    assert KNOWN.cost("kimi-k3", usage, CN) == Cost(0.004048, "CNY")
    assert KNOWN.cost("kimi-k3", usage, AI) == Cost(0.000607, "USD")


@pytest.mark.parametrize(("model", "url"), [("kimi-k3.1-pro", CN), ("unheard-of", CN), ("kimi-k3", RELAY)])
def test_an_unknown_price_is_none(model: str, url: str) -> None:
    """Where the price is not known there is no cost, never a cost of 0."""
    assert KNOWN.cost(model, Usage(1, 1, 2, 0, 0), url) is None


def test_a_price_of_ones_own_counts() -> None:
    """A relay's model costs what config.yaml says."""
    mine = made(models={"mine": {"prices": {"USD": {"hit": 0, "miss": 1, "output": 2}}}}, currency="USD")
    assert mine.cost("mine", Usage(1_000_000, 1_000_000, 2_000_000, 0, 0), RELAY) == Cost(3.0, "USD")


def test_more_cached_than_prompt_costs_no_less_than_nothing() -> None:
    """Senseless counts do not make a negative price."""
    assert KNOWN.cost("kimi-k3", Usage(10, 0, 10, 50, 0), CN) == Cost(0.00002, "CNY")


# Retired names


@pytest.mark.parametrize("url", [CN, AI])
def test_a_retired_model_is_replaced_at_the_official_hosts(url: str) -> None:
    """Its successor is asked, and the warning names both and both prices."""
    resolved = KNOWN.resolve("moonshot-v1-8k", url)
    assert resolved.model == "kimi-k3"
    warning = resolved.warning or ""
    new, old = (KNOWN.models[name].prices[KNOWN.currency_of(url) or ""] for name in ("kimi-k3", "moonshot-v1-8k"))
    assert "moonshot-v1-8k" in warning
    assert "2026-08-31" in warning
    assert f"cost {new.miss:g} {KNOWN.currency_of(url)} in and {new.output:g} {KNOWN.currency_of(url)} out" in warning
    assert f"before {old.miss:g} and {old.output:g}" in warning


def test_an_unknown_old_price_is_not_made_up() -> None:
    """Where only one of the prices is known, the warning says so."""
    assert "old price is not known" in (KNOWN.resolve("kimi-latest", CN).warning or "")
    heir = made(models={"kimi-latest": {"successor": "kimi-k3.1-pro"}})
    assert "its price in CNY is not known" in (heir.resolve("kimi-latest", CN).warning or "")


def test_the_imitation_knows_what_the_official_hosts_know() -> None:
    """A task for it goes the same way; what costs nothing has no price in the warning."""
    resolved = KNOWN.resolve("kimi-k2.5", CN, standin=True)
    assert resolved.model == "kimi-k3"
    assert "CNY" not in (resolved.warning or "")


@pytest.mark.parametrize(("model", "url"), [("kimi-k2.5", RELAY), ("kimi-k3", CN), ("kimi-k9", CN), ("kimi-k2.5", "x")])
def test_all_else_is_asked_as_it_is(model: str, url: str) -> None:
    """Another host may have it still, and of an unknown model nothing is known."""
    assert (KNOWN.resolve(model, url).model, KNOWN.resolve(model, url).warning) == (model, None)


def test_retired_models_can_be_sent_as_they_are() -> None:
    """`kimi.retired_models: send` asks Kimi for what was written."""
    resolved = made(retired_models="send").resolve("kimi-k2.5", CN)
    assert (resolved.model, resolved.warning) == ("kimi-k2.5", None)


def test_retired_models_can_fail() -> None:
    """`kimi.retired_models: fail` asks nobody, and names the successor."""
    with pytest.raises(CallFailedError) as caught:
        made(retired_models="fail").resolve("kimi-k2.5", AI)
    failure = caught.value.failure
    assert (failure.kind, failure.action, failure.http_status) == ("model_not_found", "never", None)
    assert "take kimi-k3" in failure.message


def test_a_successor_that_has_retired_too_has_one_itself() -> None:
    """A chain is followed to its end."""
    chain = made(
        models={"kimi-k2.5": {"successor": "kimi-k2.6"}, "kimi-k2.6": {"retired": "2026-10-31", "successor": "n"}}
    )
    assert chain.resolve("kimi-k2.5", CN).model == "n"


@pytest.mark.parametrize("successor", ["b", None])
def test_without_a_successor_the_retired_one_is_asked(successor: str | None) -> None:
    """None was said, or they go round in a circle: the task is not lost for it, and somebody is told."""
    gone = {"retired": "2026-10-31"}
    odd = made(models={"a": {**gone, "successor": successor}, "b": {**gone, "successor": "a"}})
    resolved = odd.resolve("a", CN)
    assert resolved.model == "a"
    assert "no successor is known" in (resolved.warning or "")


@pytest.mark.parametrize(
    ("keys", "model", "url", "told"),
    [
        ({}, "kimi-k3", CN, None),
        ({}, "kimi-k2.5", RELAY, None),
        ({}, "kimi-k2.5", CN, "kimi-k3 is asked in its place"),
        ({"retired_models": "send"}, "kimi-k2.5", CN, "asked nevertheless (kimi.retired_models is send)"),
        ({"retired_models": "fail"}, "kimi-k2.5", CN, "was not asked (kimi.retired_models is fail)"),
        ({}, "kimi-k9", RELAY, "nothing is known of the model kimi-k9"),
    ],
)
def test_what_is_told_of_a_model_that_somebody_sets(
    keys: dict[str, Any], model: str, url: str, told: str | None
) -> None:
    """Retired or unknown, and what will be done."""
    about = made(**keys).about(model, url)
    assert about is None if told is None else told in (about or "")


def test_status_names_who_is_asked() -> None:
    """One short word beside the name."""
    assert KNOWN.named("kimi-k3", CN) == "kimi-k3"
    assert KNOWN.named("kimi-k2.5", RELAY) == "kimi-k2.5"
    assert KNOWN.named("kimi-k2.5", CN) == "kimi-k2.5 (retired, kimi-k3 is asked)"
    assert made(retired_models="fail").named("kimi-k2.5", CN) == "kimi-k2.5 (retired, not asked)"


# Tokens


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("x", None),
        ({}, None),
        ({"prompt_tokens": 3}, Usage(3, 0, 3, 0, 0)),
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 9}, Usage(3, 4, 9, 0, 0)),
        ({"prompt_tokens": 3, "cached_tokens": 2}, Usage(3, 0, 3, 2, 0)),
        ({"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}}, Usage(3, 0, 3, 1, 0)),
        ({"completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 4}}, Usage(0, 5, 5, 0, 4)),
        ({"prompt_tokens": "3", "completion_tokens_details": None, "total_tokens": -1}, Usage(0, 0, 0, 0, 0)),
    ],
)
def test_usage_is_read_loosely(value: object, expected: Usage | None) -> None:
    """Both places of cached tokens are read, and what is missing is 0."""
    assert parse_usage(value) == expected


# A day that has not come


GOES = {"kimi-k2.6": {"retired": "2026-12-31", "successor": "kimi-k3"}}


def on(day: str, **keys: Any) -> Catalogue:
    """Make the catalogue of a config.yaml as it counts on this day."""
    return make(KimiPart.model_validate({"models": GOES, **keys}), lambda: day)


@pytest.mark.parametrize(("day", "asked"), [("2026-12-30", "kimi-k2.6"), ("2026-12-31", "kimi-k3"), ("2027-01-01", "kimi-k3")])  # fmt: skip
def test_a_model_is_retired_from_its_day_on(day: str, asked: str) -> None:
    """Until then it is live, is asked, and nobody is warned; its successor is known before."""
    known = on(day)
    is_live = asked == "kimi-k2.6"
    assert ("kimi-k2.6" in [model.id for model in known.live()]) is is_live
    assert known.resolve("kimi-k2.6", CN).model == asked
    assert (known.about("kimi-k2.6", CN) is None) is is_live
    assert known.named("kimi-k2.6", CN).startswith("kimi-k2.6 (retired") is not is_live
    successor = known.successor("kimi-k2.6")
    assert successor is not None
    assert successor.id == "kimi-k3"


def test_a_day_that_comes_while_the_program_runs_counts() -> None:
    """A runner is not started again for it."""
    today = ["2026-12-30"]
    known = make(KimiPart.model_validate({"models": GOES}), lambda: today[0])
    assert known.resolve("kimi-k2.6", CN).model == "kimi-k2.6"
    today[0] = "2026-12-31"
    assert known.resolve("kimi-k2.6", CN).model == "kimi-k3"


def test_until_its_day_a_model_may_follow_another() -> None:
    """From then on, the one that follows both."""
    for day, follows in (("2026-12-30", "kimi-k2.6"), ("2026-12-31", "kimi-k3")):
        successor = on(day, models={**GOES, "kimi-k2.5": {"successor": "kimi-k2.6"}}).successor("kimi-k2.5")
        assert successor is not None
        assert successor.id == follows


def test_a_model_that_follows_itself_has_no_successor() -> None:
    """Neither before its day nor after it."""
    for day in ("2026-12-30", "2026-12-31"):
        assert on(day, models={"a": {"retired": "2026-12-31", "successor": "a"}}).successor("a") is None


def test_a_day_counts_however_it_is_written() -> None:
    """ISO 8601 knows several ways."""
    assert made(models={"a": {"retired": "20261231"}}).models["a"].retired == "2026-12-31"


# A name that was asked for nevertheless


def test_a_retired_name_is_hinted_at() -> None:
    """Since when it is gone and what follows it; nothing is said of a live one and of an unknown one."""
    hint = addressee.hint(KNOWN, "moonshot-v1-8k")
    assert hint is not None
    assert hint.startswith("moonshot-v1-8k is retired since 2026-08-31, and kimi-k3 follows it; ")
    assert "kimi-hooks models" in hint
    assert addressee.hint(KNOWN, "kimi-k3") is None
    assert addressee.hint(KNOWN, "kimi-k9") is None
    assert addressee.hint(on("2026-12-30"), "kimi-k2.6") is None
    alone = addressee.hint(made(models={"mine": {"retired": "2026-01-01"}}), "mine")
    assert alone is not None
    assert alone.startswith("mine is retired since 2026-01-01; ")
