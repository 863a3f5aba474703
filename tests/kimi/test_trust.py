"""Certificates are read once for all calls, and an edit of them counts."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from kimi_hooks.kimi.trust import Trust


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return a file with the first of the usual certificates."""
    usual = Path(DEFAULT_CA_BUNDLE_PATH).read_text()
    file = tmp_path / "bundle.pem"
    file.write_text(usual[: usual.index(_END) + len(_END)])
    return file


_END = "-----END CERTIFICATE-----\n"


def test_all_calls_share_what_was_read(bundle: Path) -> None:
    """As long as the file is the same, there is one context, and it insists on a certificate and a name."""
    trust = Trust()
    context = trust.context(str(bundle))
    assert trust.context(str(bundle)) is context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == 1


def test_an_edit_of_the_certificates_counts(bundle: Path) -> None:
    """What was taken out of the file is not trusted any more."""
    trust, usual = Trust(), Path(DEFAULT_CA_BUNDLE_PATH).read_text()
    (before,) = trust.context(str(bundle)).get_ca_certs()
    second = usual[usual.index(_END) + len(_END) :]
    bundle.write_text(second[: second.index(_END) + len(_END)])
    (now,) = trust.context(str(bundle)).get_ca_certs()
    assert now != before


def test_certificates_that_are_not_there(tmp_path: Path) -> None:
    """That is an error of the disk, which the call tells of and another try may not have."""
    with pytest.raises(OSError, match="No such file"):
        Trust().context(str(tmp_path / "absent.pem"))
