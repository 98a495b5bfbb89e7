"""Staged files as plain bytes: unpacked a block at a time, whole or not at all."""

from collections.abc import Iterator
from typing import IO, Final, cast

from isal import isal_zlib
from isal.igzip_lib import IsalError

BLOCK: Final = 1 << 18
GZIP: Final = 31  # zlib's number for a gzip header and trailer, with its checksum verified
DAMAGED: Final = (EOFError, cast(type[Exception], IsalError))  # its stub calls the class an instance


def unpacked(packed: IO[bytes]) -> Iterator[bytes]:
    """The plain bytes, in blocks of bounded size. Raises one of DAMAGED when the file ends too early or is broken."""
    decoder = isal_zlib.decompressobj(GZIP)
    while data := packed.read(BLOCK):
        while data:
            if decoder.eof:
                decoder = isal_zlib.decompressobj(GZIP)
            yield decoder.decompress(data, 4 * BLOCK)
            data = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    if not decoder.eof:
        raise EOFError("the file ends before its gzip member does")
