"""What a receiver checks: signatures as in Standard Webhooks."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from kimi_hooks import signing
from kimi_hooks.errors import ConfigError

# The test vector of the Standard Webhooks libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
OTHER = "whsec_c2VjcmV0LW9mLWEtcm90YXRlZC1lbmRwb2ludA=="


def test_the_published_vector() -> None:
    """Id, time, body and key of the standard's own test give its signature."""
    assert signing.headers(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.9, BODY) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secret", [SECRET, OTHER, OTHER.rstrip("=")])
def test_the_library_as_receiver_accepts_it(secret: str) -> None:
    """With the same secret the body is accepted; changed by one character it is not."""
    headers = signing.headers(secret, "msg_1", time.time(), BODY)
    assert Webhook(secret).verify(BODY, headers) == {"test": 2432232314}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY.replace(b"4", b"5", 1), headers)


def test_a_secret_of_plain_text() -> None:
    """Its UTF-8 bytes are the key."""
    headers = signing.headers("geheim-密碼", "msg_1", time.time(), '{"a": "密"}'.encode())
    assert Webhook("geheim-密碼".encode()).verify('{"a": "密"}', headers) == {"a": "密"}


def test_several_secrets_give_a_signature_each() -> None:
    """While a secret is changed, a receiver that knows only one of the two accepts what comes."""
    headers = signing.headers(f"{SECRET} {OTHER}  plain", "msg_1", time.time(), BODY)
    assert len(headers["webhook-signature"].split(" ")) == 3
    for receiver in (Webhook(SECRET), Webhook(OTHER), Webhook(b"plain")):
        assert receiver.verify(BODY, headers) == {"test": 2432232314}
    with pytest.raises(WebhookVerificationError):
        Webhook(b"another").verify(BODY, headers)


@pytest.mark.parametrize("bad", ["whsec_not*base64*", "whsec_", "whsec_====", "whsec_AAAAA", "whsec_密碼"])
def test_a_broken_secret_is_named_and_not_shown(bad: str) -> None:
    """The message says which one and what to do, without a character of it."""
    with pytest.raises(ConfigError) as alone:
        signing.headers(bad, "msg_1", 0, BODY)
    assert str(alone.value).startswith("WEBHOOK_SECRET begins with whsec_")
    assert "copy it again" in str(alone.value)
    assert bad == "whsec_" or bad not in str(alone.value)
    with pytest.raises(ConfigError, match="number 2 of 2"):
        signing.headers(f"{SECRET} {bad}", "msg_1", 0, BODY)


def test_without_a_secret_id_and_time_remain() -> None:
    """A receiver can tell a repetition even then."""
    assert signing.unsigned("msg_1", 12.9) == {"webhook-id": "msg_1", "webhook-timestamp": "12"}


def test_only_who_signs_pays_for_the_library() -> None:
    """The verbs are loaded without it."""
    code = (
        "import sys, kimi_hooks.commands.webhook, kimi_hooks.commands.wake; sys.exit('standardwebhooks' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
