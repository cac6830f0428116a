"""Which addresses are asked, and where a redirect may lead: https, and never from the web into this network."""

from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from golf.errors import BadConfig, UnreadableInput
from golf.jobs.backend import is_loopback
from golf.jobs.heard import told


class WebFailed(UnreadableInput):
    """A server did not answer, or not as it should."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """As the server asks; None where it does not say."""


def checked_url(url: str) -> str:
    """An address that is asked: https, or http on this machine; no name or password in it.

    Raises:
        BadConfig: it is another.
    """
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise BadConfig(f"{url[:200]!r} is no address") from None
    is_fine = parts.scheme == "https" or (parts.scheme == "http" and _is_here(host))
    if not host or not is_fine or "@" in parts.netloc or _is_odd_number(host):
        raise BadConfig(f"only https addresses are read, without a password in them (got {told(url, 200)!r})")
    return url


def checked_redirect(source: str, target: str) -> None:
    """Refuse a redirect that leads from the web onto this machine, into its network, or off https.

    Raises:
        WebFailed: it does.
    """
    try:
        checked_url(target)
    except BadConfig:
        raise WebFailed(f"{host_of(source)} redirects to {told(target, 100)!r}, which is not followed") from None
    host = (urlsplit(target).hostname or "").rstrip(".")
    if _is_inside(host) and not _is_here((urlsplit(source).hostname or "").rstrip(".")):
        raise WebFailed(f"{host_of(source)} redirects to {host}, inside this network; it is not followed")


def host_of(url: str) -> str:
    """The host and port of an address, for messages; of what is none the words."""
    try:
        place = urlsplit(url).netloc
    except ValueError:
        place = url
    return told(place.rpartition("@")[2], 100)


def _is_here(host: str) -> bool:
    return is_loopback(host) or host == "localhost" or host.endswith(".localhost")


def _is_inside(host: str) -> bool:
    """Whether it is this machine, or an address of a network that is not the public one."""
    try:
        address = ip_address(host)
    except ValueError:
        return _is_here(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return not (mapped or address).is_global


def _is_odd_number(host: str) -> bool:
    """`2130706433` and `0x7f.1` are addresses to a resolver and names to everybody else."""
    try:
        ip_address(host)
    except ValueError:
        return host.rpartition(".")[2][:1].isdigit()
    return False
