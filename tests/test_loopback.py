"""No test touches the network beyond the loopback: the guard of conftest.py is in place and lets the loopback pass."""

import asyncio
import socket

import pytest

ELSEWHERE = "192.0.2.1"
"""An address of documentation (RFC 5737): nobody answers there."""


def test_connecting_elsewhere_is_refused_before_a_packet_leaves():
    with pytest.raises(RuntimeError, match=r"reached for 192\.0\.2\.1"):
        socket.create_connection((ELSEWHERE, 9), timeout=0.1)


async def test_it_is_refused_in_an_event_loop_too():
    with pytest.raises(RuntimeError, match=r"reached for 192\.0\.2\.1"):
        await asyncio.open_connection(ELSEWHERE, 9)


def test_the_loopback_is_allowed():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
