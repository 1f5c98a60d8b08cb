"""Tests of listening sockets and of the format of addresses."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.exchange.ring.connection import format_address, listen, parse_address


@given(st.sampled_from(["10.1.2.3", "worker-7", "::1", "2001:db8::7"]), st.integers(1, 65535))
def test_addresses_are_read_as_they_were_written(host: str, port: int):
    assert parse_address(format_address(host, port)) == (host, port)


def test_a_member_listens_on_its_own_address_only():
    with listen("127.0.0.1") as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_name_that_cannot_be_bound_gives_way_to_the_route_to_the_others():
    with listen("no-such-host.invalid", reached_from=["no-such-host.invalid", "127.0.0.1"]) as listener:
        assert listener.getsockname()[0].startswith("127.")


def test_an_address_that_cannot_be_bound_is_an_error_when_there_is_no_other_host():
    with pytest.raises(socket.gaierror):
        listen("no-such-host.invalid", reached_from=["no-such-host.invalid"])


def test_ipv6_members_are_reached_at_their_address():
    try:
        listener = listen("::1")
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with listener:
        address = format_address(*listener.getsockname()[:2])
        with socket.create_connection(parse_address(address), timeout=5) as connection:
            assert connection.family == socket.AF_INET6
