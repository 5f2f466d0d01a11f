"""Sessions that outlive a lost connection or a reload: the newest few, by a token that stands in the address.

Who opens an address with a token gets a copy of that session and a token of their own, so two tabs stay apart.
"""

import secrets
from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 200


class Kept(Generic[T]):
    """Values by token; the one longest unused goes first."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._lock = most, Lock()
        self._values: OrderedDict[str, T] = OrderedDict()

    @staticmethod
    def token() -> str:
        """A new token that cannot be guessed."""
        return secrets.token_urlsafe(12)

    def put(self, token: str, value: T) -> None:
        """Keep `value` under `token`."""
        with self._lock:
            self._values[token] = value
            self._values.move_to_end(token)
            while len(self._values) > self._most:
                self._values.popitem(last=False)

    def get(self, token: str | None) -> T | None:
        """What is kept under `token`, if anything is."""
        with self._lock:
            if token is None or token not in self._values:
                return None
            self._values.move_to_end(token)
            return self._values[token]
