"""Identifiers: folds what a source calls a field into a name every warehouse takes, and keeps names apart.

A name is `[a-z_][a-z0-9_]*` of at most 63 bytes. Where folding loses what told two fields apart, or gives a reserved
word, the name ends in a hash of the source's own spelling, which is the same in every run. Pure.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from ingestion.blueprint.paths import OURS, split_path

LONGEST: Final = 63  # bytes; Postgres cuts beyond it in silence
TAIL: Final = 6
UNSAFE: Final = re.compile(r"[^a-z0-9_]")

# Reserved in Postgres, Redshift or DuckDB, the columns that their tables have unseen, and those that ours have.
RESERVED: Final = frozenset(
    """
    aes128 aes256 all allowoverwrite analyse analyze and any array as asc asymmetric at_ authorization az64 backup
    between binary blanksasnull both bytedict bzip2 case cast check collate collation column concurrently constraint
    create credentials cross current_catalog current_date current_role current_schema current_time current_timestamp
    current_user current_user_id default deferrable deflate defrag delta delta32k desc describe disable distinct do
    else emptyasnull enable encode encrypt encryption end except explicit false fetch for foreign freeze from full
    globaldict256 globaldict64k grant group gzip having identity ignore ilike in initially inner intersect interval
    into is isnull join lambda language lateral leading left like limit localtime localtimestamp lun luns lzo lzop
    minus mostly16 mostly32 mostly8 natural new not notnull null nulls off offline offset oid old on only open or
    order outer overlaps parallel partition percent permissions pivot pivot_longer pivot_wider placing primary
    qualify raw readratio recover references rejectlog resort respect restore returning right select session_user
    show similar snapshot some summarize symmetric sysdate system system_user table tablesample tag tdes text255
    text32k then timestamp to top trailing true truncatecolumns union unique unpivot user using variadic verbose
    wallet when where window with without _load_id _generation _staged_row cmax cmin ctid rowid tableoid xmax xmin
    """.split()  # noqa: SIM905 - a list of a hundred literals says no more
) | frozenset(OURS)


def fold(name: str) -> str:
    """One name, folded: a table's or a namespace's. The same input always gives the same name."""
    plain = _plain((name,))
    return plain if _is_faithful(plain, (name,)) else _with_tail(plain, name)


def assign(sources: Iterable[str], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """A name for each source path. `known` names stay as they are; the others depend on which sources there are, not
    on their order: of several that fold alike the one spelled so keeps the plain name, the others get a tail."""
    asked = dict.fromkeys(sources)
    names = {source: source for source in asked if source in OURS} | dict(known or {})
    taken = set(names.values())
    new = [source for source in asked if source not in names]
    rivals: dict[str, list[str]] = {}
    for source in new:
        rivals.setdefault(_plain_of(source), []).append(source)
    owners = {plain: _owner(plain, sources) for plain, sources in rivals.items() if plain not in taken}
    taken.update(plain for plain, owner in owners.items() if owner is not None)
    for source in sorted(new):
        plain = _plain_of(source)
        names[source] = plain if owners.get(plain) == source else _free(plain, source, taken)
        taken.add(names[source])
    return names


def _owner(plain: str, rivals: list[str]) -> str | None:
    keys = {source: split_path(source) for source in rivals}
    if len(rivals) == 1:
        return rivals[0] if _is_faithful(plain, keys[rivals[0]]) else None
    exact = [source for source in rivals if "__".join(keys[source]) == plain and _is_faithful(plain, keys[source])]
    return min(exact, key=lambda source: (len(keys[source]), source)) if exact else None


def _plain_of(source: str) -> str:
    return _plain(split_path(source))


def _plain(keys: Iterable[str]) -> str:
    folded = "__".join(_ascii(key) for key in keys)
    return folded if folded[:1].isalpha() or folded[:1] == "_" else "_" + folded


def _ascii(key: str) -> str:
    decomposed = unicodedata.normalize("NFKD", key[:500])
    letters = "".join(character for character in decomposed if not unicodedata.combining(character))
    return UNSAFE.sub("_", letters.lower())


def _is_faithful(plain: str, keys: tuple[str, ...]) -> bool:
    readable = all(any(c.isalnum() for c in _ascii(key)) for key in keys)
    return readable and len(plain) <= LONGEST and plain not in RESERVED


def _free(plain: str, source: str, taken: set[str]) -> str:
    length = TAIL
    while (name := _with_tail(plain, source, length)) in taken:
        length += 2
    return name


def _with_tail(plain: str, source: str, length: int = TAIL) -> str:
    tail = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:length]
    stem = plain[: LONGEST - length - 1].strip("_") or "field"
    return f"{stem}_{tail}" if stem[0].isalpha() else f"_{stem}"[: LONGEST - length - 1] + f"_{tail}"
