"""Synthetic records for benchmarks: any number of them, each made from its id alone, at little cost.

All fields but the id repeat after 100,000 records. They are rendered once in blocks of 1,000, with a mark in place of
the id's thousands; a page is a block with the thousands put in, one pass over memory.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from runs.demo.data import dump

BLOCK = 1_000
PERIOD = 100_000
DEFAULT_ROWS = 1_000_000
MARK = b"\x00"  # stands for an id's thousands; no JSON text holds it
EPOCH = datetime(2024, 1, 1)  # in UTC, like all times here

NAMES = (
    "Zoë Müller",
    "José Álvarez",
    "李小龍",
    "Олена Коваль",
    "Søren Ågård",
    "Amélie Dupont",
    "John Smith",
    "佐藤 花子",
)
STREETS = (
    "Hauptstraße",
    "Rue de l'Église",
    "Calle Peñón",
    "High Street",
    "Улица Мира",
    "Kungsgatan",
    "Avenida São João",
)
CITIES = ("Köln", "Orléans", "A Coruña", "London", "Київ", "Göteborg", "São Paulo", "東京", "New York")
TAGS = ("new", "loyal", "über", "gift", "b2b", "été", "slow", "priority", "fragile")
NOTES = (
    "Please leave it at the front desk and ask for a receipt, thank you very much.",
    'Customer said: "call before you come", twice.',
    "Paid in two parts; the second part is due at the end of the month, as agreed by telephone with the branch.",
    "Zustellung bitte erst nach 18 Uhr, vorher ist niemand zu Hause; sonst bei der Nachbarin im dritten Stock abgeben.",
    "First line of the note\nsecond line, with a comma and an Ümläut",
    "Le colis est arrivé abîmé, remboursé à moitié 🚚",
    "",
    "Gift wrapping, blue paper, no card inside; the invoice goes to another address.",
)

Record = dict[str, Any]


def record(number: int) -> Record:
    """The record with this id, as the server answers it; amounts are exact decimals."""
    n = number % PERIOD
    a, b = _mix(n, 1), _mix(n, 2)
    created = EPOCH + timedelta(seconds=n * 311 + a % 300)
    cents = 100 + a % 9_999_900
    return {
        "id": number,
        "order_number": 7_000_000_000 + n * 97 + b % 97,
        "quantity": 1 + b % 250,
        "amount": _cents(cents),
        "tax": _cents(cents * 19 // 100),
        "paid": a % 3 != 0,
        "created_at": _iso(created),
        "updated_at": _iso(created + timedelta(seconds=b % 5_000_000)),
        "customer": f"{NAMES[a % len(NAMES)]} {n % 977}",
        "note": NOTES[b % len(NOTES)] if b % 5 else None,
        "address": {
            "street": f"{STREETS[a % len(STREETS)]} {b % 300}",
            "city": CITIES[b % len(CITIES)],
            "postcode": f"{a % 100_000:05d}",
        },
        "tags": [TAGS[(a + step * 2) % len(TAGS)] for step in range(b % 4)],
    }


def _mix(n: int, salt: int) -> int:
    """A fixed scramble to 32 bits: the last steps of MurmurHash3."""
    x = n * 31 + salt * 2_654_435_761 & 0xFFFFFFFF
    x = (x ^ x >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    x = (x ^ x >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return x ^ x >> 16


def _cents(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _iso(moment: datetime) -> str:
    return f"{moment.isoformat()}Z"


def encoded(number: int) -> bytes:
    """One record as JSON; decimals keep their two places."""
    exact = record(number)
    amount, tax = exact.pop("amount"), exact.pop("tax")
    return dump(exact).replace(b',"paid"', b',"amount":%b,"tax":%b,"paid"' % (_plain(amount), _plain(tax)), 1)


def _plain(amount: Decimal) -> bytes:
    return str(amount).encode()


@dataclass(frozen=True)
class Block:
    """The records of 1,000 ids that differ in their last three digits, with marks in their ids.

    The one ending in 000 stands apart: it ends a page of 1,000 and the others begin it, so neither is cut out.
    """

    round: bytes
    others: bytes
    starts: Sequence[int]  # of the others; starts[0] is unused

    def pieces(self, thousands: int, first: int, end: int) -> Iterator[bytes]:
        """The records whose ids end in first up to, without, end; with their ids put in."""
        if first == 0:
            yield _numbered(self.round, thousands)
        low = self.starts[max(first, 1)]
        if low < self.starts[end]:
            yield _numbered(self.others[low : self.starts[end] - 1], thousands)


def _numbered(marked: bytes, thousands: int) -> bytes:
    if thousands:
        return marked.replace(MARK, b"%d" % thousands)
    return re.sub(MARK + b"0{0,2}", b"", marked)


@lru_cache(maxsize=PERIOD // BLOCK)
def block(turn: int) -> Block:
    """The block of the ids turn * 1,000 up to (turn + 1) * 1,000, rendered at first use, in about 12 ms."""
    first, *others = (_marked(turn * BLOCK + slot, slot) for slot in range(BLOCK))
    starts = array("L", [0, 0])
    for text in others:
        starts.append(starts[-1] + len(text) + 1)
    return Block(first, b",".join(others), starts)


def _marked(number: int, slot: int) -> bytes:
    return b'{"id":%b%03d%b' % (MARK, slot, encoded(number).removeprefix(b'{"id":%d' % number))


class Bench:
    """The records with ids 1 up to `rows`."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    def pieces(self, first: int, end: int) -> list[bytes]:
        """Positions first (from 0) up to, without, end."""
        return list(_pieces(first + 1, min(end, self._rows) + 1))


def _pieces(first: int, end: int) -> Iterator[bytes]:
    while first < end:
        thousands, slot = divmod(first, BLOCK)
        stop = min(BLOCK, slot + end - first)
        yield from block(thousands % (PERIOD // BLOCK)).pieces(thousands, slot, stop)
        first += stop - slot
