"""What a seed is."""

from modelview.errors import EditError
from modelview.names import short


def require_seed(value: object) -> None:
    """Raises EditError unless `value` can be a seed of torch's generators."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise EditError(f"A seed is a whole number from 0 up; got {short(repr(value))}.")
