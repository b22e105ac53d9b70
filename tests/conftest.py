"""Holds for every test: this folder is importable (for `strategies`), and nothing reaches beyond this machine."""

import gc
import ipaddress
import signal
import socket
import sys

from hypothesis import HealthCheck, settings

# How quick a machine is, or how busy, is no property of the code.
settings.register_profile("flowsteer", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", settings.get_profile("flowsteer"), max_examples=20_000)
settings.load_profile("flowsteer")  # --hypothesis-profile nightly wins over it

# All that is imported and collected lives to the end; to look through it for cycles took a fifth of
# the time to collect.
gc.set_threshold(50_000, 20, 100)


def pytest_collection_finish():
    """Leave what there is now out of every later look."""
    gc.freeze()


if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # In the background of a script Ctrl-C is ignored, and would be by the commands that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def refuse_the_network(event, args):
    """Refuse to connect anywhere but to the loopback (invariant 10); a datagram socket sends nothing by connecting."""
    if event != "socket.connect":
        return
    endpoint, address = args
    if not isinstance(address, tuple) or endpoint.type != socket.SOCK_STREAM or address[0] in ("", "localhost"):
        return
    if not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback:
        raise RuntimeError(f"a test reached for {address[0]}; tests talk to 127.0.0.1 only")


sys.addaudithook(refuse_the_network)
