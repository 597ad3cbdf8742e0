"""A charger's transactions, across its connections."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from ampacity.core.observations import SessionEnded
from ampacity.core.site import ChargerId

TransactionId = int | str
"""OCPP 1.6: a number that we give. OCPP 2: what the charger calls it."""


class Transactions:
    """Which one is open. A message that is sent again, as chargers do without an answer, changes nothing."""

    def __init__(self, charger: ChargerId, next_id: Callable[[], int]) -> None:
        """`next_id` gives numbers that were never given before, over restarts too."""
        self._charger = charger
        self._next_id = next_id
        self._begin: Hashable = None
        self._begin_wh: int | None = None
        self._ended: deque[SessionEnded] = deque(maxlen=16)
        self._foreign: deque[TransactionId] = deque(maxlen=16)
        self.current: TransactionId | None = None

    def start(self, begin: Hashable, meter_wh: int | None) -> tuple[TransactionId, bool]:
        """The number of a transaction that begins, and whether it is a new one.

        `begin` is what the message says of it: the same again is the same transaction.
        """
        if self.current is not None and begin == self._begin:
            return self.current, False
        self._begin, self._begin_wh = begin, meter_wh
        self.current = self._next_id()
        return self.current, True

    def named(self, name: str, meter_wh: int | None) -> bool:
        """A transaction begins to which the charger gave a name: whether it is a new one."""
        if name == self.current:
            self._begin_wh = meter_wh if self._begin_wh is None else self._begin_wh
            return False
        if self._is_over(name):
            return False
        self.current, self._begin, self._begin_wh = name, name, meter_wh
        return True

    def foreign(self) -> int:
        """A number for a transaction on a socket that is not ours."""
        number = self._next_id()
        self._foreign.append(number)
        return number

    def is_foreign(self, name: str) -> bool:
        """Whether it was found to be on a socket that is not ours."""
        return name in self._foreign

    def leave(self, name: str) -> None:
        """It is on a socket that is not ours."""
        if name not in self._foreign:
            self._foreign.append(name)

    def mention(self, transaction: TransactionId | None) -> bool:
        """Whether a transaction that is under way is news: it began before this controller did."""
        if not _is_one(transaction) or transaction == self.current or self._is_over(transaction):
            return False
        self._begin = self._begin_wh = None
        self.current = transaction
        return True

    def stop(
        self, transaction: TransactionId | None, meter_wh: int | None, reason: str, at_s: float
    ) -> tuple[SessionEnded, bool]:
        """The end of a transaction, and whether it is news for the socket: an old one's is not."""
        if meter_wh is not None and meter_wh < 0:
            meter_wh = None  # no register counts below nothing
        number = transaction if _is_one(transaction) else self.current
        for one in self._ended:
            if one.session == str(number):
                return one, False
        is_current = number == self.current or (self.current is None and number not in self._foreign)
        begin_wh = self._begin_wh if is_current else None
        ended = SessionEnded(
            charger=self._charger,
            at_s=at_s,
            session=str(number) if number is not None else "",
            energy_wh=_energy_wh(begin_wh, meter_wh),
            reason=reason,
            meter_wh=meter_wh,
        )
        if number is not None:
            self._ended.append(ended)
        if is_current:
            self.current = self._begin = self._begin_wh = None
        return ended, is_current

    def _is_over(self, transaction: TransactionId | None) -> bool:
        return any(one.session == str(transaction) for one in self._ended)


def _is_one(transaction: TransactionId | None) -> bool:
    """Some chargers write 0, -1 or nothing where there is none."""
    return transaction > 0 if isinstance(transaction, int) else bool(transaction)


def _energy_wh(begin_wh: int | None, end_wh: int | None) -> int | None:
    """None: it can't be told. A register that is lower at the end was reset, or is wrong."""
    if begin_wh is None or end_wh is None or end_wh < begin_wh:
        return None
    return end_wh - begin_wh
