"""Listening sockets and who holds a port."""

import os
import socket

import pytest

from gateway.ports import CannotListen, PortInUse, bind, holder_of


def test_a_taken_port_is_reported_with_the_program_that_holds_it() -> None:
    with bind("127.0.0.1", 0, choose="--port") as first:
        port = first.getsockname()[1]
        with pytest.raises(PortInUse, match=f"in use by .* \\(pid {os.getpid()}\\)\\. .* with --port"):
            bind("127.0.0.1", port, choose="--port")


def test_a_port_that_is_bound_but_not_listened_on_is_taken_too() -> None:
    with socket.socket() as first:
        first.bind(("127.0.0.1", 0))
        with pytest.raises(PortInUse) as caught:
            bind("127.0.0.1", first.getsockname()[1], choose="--port")
    assert caught.value.holder is None


def test_nobody_holds_a_free_port() -> None:
    with bind("127.0.0.1", 0, choose="--port") as free:
        port = free.getsockname()[1]
    assert holder_of(port) is None


def test_a_foreign_address_is_named_in_the_error() -> None:
    with pytest.raises(CannotListen, match=r"Cannot listen on 192\.0\.2\.1 port 0: "):
        bind("192.0.2.1", 0, choose="--port")
