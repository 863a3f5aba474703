from __future__ import annotations

import socket

import pytest

from kimi_hooks.kimi.sockets import Call, Calls


def test_a_call_ended_before_it_is_connected_takes_no_socket() -> None:
    """Whoever ends a call while it connects is heard as soon as it is connected."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        call = Call(patience=1.0)
        call.wait_at_most(0.5)
        call.abort()
        with pytest.raises(ConnectionAbortedError):
            call.hold(ours)
        assert call.aborted


def test_a_call_sets_its_patience_on_the_socket() -> None:
    """The socket waits as long as the call does, also while it sends."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        call = Call(patience=7.0)
        call.hold(ours)
        assert ours.gettimeout() == 7.0
        call.wait_at_most(0.5)
        assert ours.gettimeout() == 0.5


def test_ending_twice_and_after_closing_is_harmless() -> None:
    """A socket that is closed already is passed over."""
    ours, theirs = socket.socketpair()
    call = Call(patience=1.0)
    call.hold(ours)
    ours.close()
    theirs.close()
    call.abort()
    call.abort()
    call.wait_at_most(1.0)


def test_a_call_that_is_over_is_not_known_any_more() -> None:
    """After its end an id is free, and ending it does nothing."""
    calls = Calls()
    with calls.open("c", 1.0) as call:
        pass
    calls.abort("c")
    assert not call.aborted
