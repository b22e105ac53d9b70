"""Names and addresses of this machine alone."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether a name or address is one of this machine alone.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("evil.example")
    (True, True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def hostname(host: str) -> str:
    """The name in a `Host` header, without port and brackets.

    >>> hostname("127.0.0.1:8000"), hostname("[::1]:8000")
    ('127.0.0.1', '::1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
