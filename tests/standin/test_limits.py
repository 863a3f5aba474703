"""The limits of an account: what is let in, what is said otherwise, and when it passes."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
import requests

from kimi_hooks.clock import Clock
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.limits import TIERS, Tier
from kimi_hooks.standin.server import Standin
from tests.house import until
from tests.standin.calling import chat, get, post, refusal_of

_WHO = "Your account org-standin <ak-standin> request reached organization"


class Time:
    """A clock that goes on when it is told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.clock = Clock(now=lambda: self.now, monotonic=lambda: self.now)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def standin(time: Time) -> Iterator[Standin]:
    with Standin(clock=time.clock) as running:
        yield running


def _status(standin: Standin, **more: int) -> int:
    return post(standin, chat("hi", max_completion_tokens=more.get("cap", 100))).status_code


def test_without_a_tier_nothing_is_limited(standin: Standin) -> None:
    """Limits are off unless they are asked for."""
    assert [_status(standin) for _ in range(20)] == [200] * 20


def test_requests_a_minute(standin: Standin, time: Time) -> None:
    """The fourth request in a minute is refused in Kimi's words, and a refused one counts as well."""
    standin.account.tier = TIERS[0]
    assert [_status(standin) for _ in range(3)] == [200, 200, 200]
    time.now += 59.0
    reply = post(standin, chat("hi"))
    words = f"{_WHO} max RPM: 3, please try again after 1 seconds"
    assert refusal_of(reply) == (429, "rate_limit_reached_error", words)
    assert (reply.headers["Retry-After"], reply.headers["X-Retry-After"]) == ("1", "1")
    time.now += 1.0
    assert [_status(standin) for _ in range(3)] == [200, 200, 429]


def test_requests_at_once() -> None:
    """More calls under way than the tier has are refused; a call that has ended makes room."""
    with Standin(tier=Tier(1, 1000, 10**9), faults=[Fault("stall")]) as standin:
        first = threading.Thread(target=_hang, args=(standin,))
        first.start()
        assert standin.stalled.wait(10)
        words = f"{_WHO} max concurrency: 1, please try again after 1 seconds"
        assert refusal_of(post(standin, chat("hi"))) == (429, "rate_limit_reached_error", words)
        standin._server.end_connections()
        first.join(10)
        until(lambda: _status(standin) == 200)


def _hang(standin: Standin) -> None:
    with pytest.raises(requests.RequestException):
        post(standin, chat("hi", stream=True))


def test_tokens_a_minute(standin: Standin, time: Time) -> None:
    """Prompt and cap count, not what is said; a refused request costs nothing."""
    standin.account.tier = Tier(9, 99, 250)
    assert [_status(standin, cap=99), _status(standin, cap=99)] == [200, 200]
    words = f"{_WHO} TPM rate limit, current: 251, limit: 250"
    reply = post(standin, chat("hi", max_completion_tokens=50))
    assert refusal_of(reply) == (429, "rate_limit_reached_error", words)
    assert _status(standin, cap=49) == 200
    time.now += 60.0
    assert _status(standin, cap=249) == 200


def test_the_cap_that_holds_when_none_is_named_counts(standin: Standin) -> None:
    """In the lowest tier three questions without a cap are a minute's tokens, as at Kimi."""
    standin.account.tier = Tier(9, 99, TIERS[0].tokens)
    assert [post(standin, chat("hi")).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_tokens_a_day(standin: Standin, time: Time) -> None:
    """The day's tokens come back with the next day, not with the next minute."""
    standin.account.tier = Tier(9, 99, 1000, 50)
    assert _status(standin) == 200
    time.now += 3600.0
    refused = refusal_of(post(standin, chat("hi", max_completion_tokens=100)))[2]
    assert re.fullmatch(re.escape(f"{_WHO} TPD rate limit, current: ") + r"\d+, limit: 50", refused)
    time.now += 86_400.0
    assert _status(standin) == 200


def test_retry_after_can_be_left_out() -> None:
    """With the switch off no header says when to try again."""
    with Standin(tier=Tier(9, 1, 10**9), retry_after=False) as standin:
        post(standin, chat("hi"))
        reply = post(standin, chat("hi"))
        assert reply.status_code == 429
        assert not {"retry-after", "x-retry-after"} & {name.lower() for name in reply.headers}


def test_an_overload_has_no_header(standin: Standin) -> None:
    """When the engine is overloaded nothing says when to try again."""
    reply = post(standin, chat("standin: status=429 type=engine_overloaded_error"))
    words = "The engine is currently overloaded, please try again later"
    assert refusal_of(reply) == (429, "engine_overloaded_error", words)
    assert "Retry-After" not in reply.headers


def test_an_account_without_credit(standin: Standin) -> None:
    """Without credit no question is answered, but the balance is; after a top-up all is well."""
    standin.account.balance = 0.0
    status, kind, words = refusal_of(post(standin, chat("hi")))
    assert (status, kind) == (429, "exceeded_current_quota_error")
    assert "is suspended due to insufficient balance, please recharge" in words
    data = get(standin, "/users/me/balance").json()["data"]
    assert (data["available_balance"], data["cash_balance"]) == (0.0, -46.58893)
    standin.account.balance = 5.0
    assert _status(standin) == 200


def test_only_questions_are_limited(standin: Standin) -> None:
    """Lists and counts go on in an account that has reached its limit."""
    standin.account.tier = Tier(1, 1, 10**9)
    assert [_status(standin), _status(standin)] == [200, 429]
    assert get(standin, "/models").status_code == 200


def test_a_wrong_request_is_not_counted(standin: Standin) -> None:
    """What is wrong in itself is told before the limits are looked at, as is a wrong key."""
    standin.account.tier = Tier(1, 1, 10**9)
    assert [post(standin, {}).status_code for _ in range(3)] == [400] * 3
    assert _status(standin) == 200


def test_an_ordered_fault_waits_for_a_request_that_is_let_in(standin: Standin) -> None:
    """A request that the limit refuses uses no fault up."""
    standin.account.tier = Tier(9, 1, 10**9)
    _status(standin)
    standin.add(Fault("http", status=503))
    assert _status(standin) == 429
    standin.account.tier = None
    assert [_status(standin), _status(standin)] == [503, 200]
