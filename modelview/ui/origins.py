"""Who sends a request: a page of this app or of another site, and which browser."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request

COOKIE = "_streamlit_xsrf"
_MASK_BYTES = 4


def is_foreign(request: Request) -> bool:
    """Whether the request comes from a page of another site."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")


def browser_of(cookies: Mapping[str, str]) -> str:
    """What these cookies know a browser by: the mark that Streamlit gives each; "" where it has none.

    The cookie is "2|mask|masked mark|time", and its mask is another one each time.

    >>> browser_of({COOKIE: "2|00000000|abcd|1"}), browser_of({COOKIE: "2|01010101|aacc|2"}), browser_of({})
    ('abcd', 'abcd', '')
    """
    parts = cookies.get(COOKIE, "").strip("\"'").split("|")
    if len(parts) != 4 or parts[0] != "2":
        return ""
    try:
        mask, masked = map(bytes.fromhex, parts[1:3])
    except ValueError:
        return ""
    if len(mask) != _MASK_BYTES:
        return ""
    return bytes(byte ^ mask[place % _MASK_BYTES] for place, byte in enumerate(masked)).hex()
