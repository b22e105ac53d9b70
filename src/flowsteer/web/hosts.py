"""Names and addresses of this machine alone."""

from ipaddress import ip_address
from urllib.parse import urlsplit


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


def is_here(url: str) -> bool:
    """Whether a URL is one of this machine alone.

    >>> is_here("http://127.0.1.1:8000/v1#qwen3"), is_here("https://api.openai.com/v1"), is_here("openai:gpt-5")
    (True, False, False)
    """
    return is_loopback(urlsplit(url).hostname or "")


def hostname(host: str) -> str:
    """The name in a `Host` header, without port and brackets.

    >>> hostname("127.0.0.1:8000"), hostname("[::1]:8000")
    ('127.0.0.1', '::1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
