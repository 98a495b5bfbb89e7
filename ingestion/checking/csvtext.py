"""A delimited file as text: its character set, its header row, how the engine is told to read it; and line ends of
several kinds made one, which the engine wants.
"""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import copyfileobj
from typing import Any, Final

import re2

from ingestion.checking import codes
from ingestion.checking.base import CheckRequest
from ingestion.checking.codes import refuse
from ingestion.checking.csvcuts import Piece, Signs
from ingestion.formats.duck import text
from ingestion.formats.files import CHUNK
from ingestion.formats.scan import BLOCK, BYTES

CHARSETS: Final = {"UTF-8": "utf-8", "UTF8": "utf-8", "US-ASCII": "ascii", "ASCII": "ascii", "ISO-8859-1": "latin-1"}
ENGINE: Final = {"utf-8": "utf-8", "ascii": "utf-8", "latin-1": "latin-1"}
CONTROLS: Final = bytes(range(0x80, 0xA0))
SMALLEST_BUFFER: Final = 32 << 20
LONGEST_HEADER: Final = 4 << 20
BARE: Final = re2.compile(rb"\r[^\n]", BYTES)  # a carriage return alone, found as fast as its sign
BROKEN: Final = re.compile("[\ud800-\udfff]")  # bytes that are not of the charset


class CsvText:
    """One delimited file. Raises FileRefused for options that cannot be, and bytes that are not of the charset."""

    def __init__(self, request: CheckRequest, path: Path) -> None:
        self.path = _without_mark(request, path)
        self._request, self._options = request, request.csv
        self._delimiter = {"\\t": "\t"}.get(request.csv.delimiter, request.csv.delimiter)
        self._charset = CHARSETS.get(request.csv.charset.upper(), "")
        self._check_options()
        self.has_mixed_ends = self._has_feeds = self._has_controls = False
        self.nul_count = self._scan()
        if self._has_controls:
            self._recode()

    def header(self) -> list[str]:
        """The names of the columns. Raises FileRefused where there are none."""
        try:
            row = next(csv.reader(self._first_lines(), **self._dialect()), [])
        except csv.Error as error:
            raise refuse(codes.BAD_OPTION, name=self._request.name, why="its header row cannot be read") from error
        if any(BROKEN.search(name) for name in row):
            raise refuse(codes.BAD_ENCODING, name=self._request.name, expected=self._options.charset, where=" (header)")
        if not any(name.strip() for name in row):
            raise refuse(codes.EMPTY_HEADER)
        return [name.strip() or f"column_{number}" for number, name in enumerate(row, start=1)]

    def first_rows(self, count: int) -> list[list[str]]:
        """Rows as they stand in the file, with the header if it has one."""
        rows = csv.reader(self._first_lines(), **self._dialect())
        try:
            return [row for _, row in zip(range(count), rows, strict=False)]
        except csv.Error as error:
            raise refuse(codes.BAD_OPTION, name=self._request.name, why="its first rows cannot be read") from error

    def signs(self, columns: int) -> Signs:
        """By which rows are told apart in the file's bytes. `columns`: how many a row has."""
        told, charset = self._options, self._charset
        quote, escape, delimiter = (sign.encode(charset) for sign in (told.quote, told.escape, self._delimiter))
        header = delimiter.join([b"h"] * columns) + self._first_end()
        return Signs(quote, escape, delimiter, b"\n" if self._has_feeds else b"\r", header)

    def _first_end(self) -> bytes:
        with self.path.open("rb") as file:
            found = re.search(rb"\r\n|\r|\n", file.read(LONGEST_HEADER))
        return found.group() if found else b"\n"

    def header_of(self, piece: Piece) -> bool:
        """Does this piece begin with a header?"""
        return self._options.header or piece.number > 0

    def reader(self, ids: Sequence[str], piece: Piece) -> str:
        """The SQL that reads the rows of a piece as text columns of these names, and notes what are no rows."""
        told = ", ".join(f"'{column}': 'VARCHAR'" for column in ids)
        options = {
            "auto_detect": "false",
            "header": "true" if self.header_of(piece) else "false",
            "delim": text(self._delimiter),
            "quote": text(self._options.quote),
            "escape": text(self._options.escape if self._options.quote else ""),
            "nullstr": text(self._options.null_marker),
            "allow_quoted_nulls": "false",
            "strict_mode": "true",
            "store_rejects": "true",
            "rejects_limit": "0",
            "encoding": text(ENGINE[self._charset]),
            "max_line_size": str(self._request.limits.cell),
            "buffer_size": str(max(SMALLEST_BUFFER, 2 * self._request.limits.cell)),
        }
        listed = ", ".join(f"{name} = {value}" for name, value in options.items())
        return f"read_csv({text(str(piece.path))}, columns = {{{told}}}, {listed})"

    def rewrite(self) -> None:
        """Write the file anew with one kind of line end. What stands in quotes is not touched."""
        target = self._request.folder / "rewritten.csv"
        with target.open("wb") as file:
            file.writelines(self._normal())
        self.path, self._has_feeds = target, True

    def _check_options(self) -> None:
        told, name = self._options, self._request.name
        if not self._charset:
            known = "UTF-8, US-ASCII or ISO-8859-1"
            raise refuse(codes.BAD_OPTION, name=name, why=f"its charset must be {known}")
        signs = {"delimiter": self._delimiter, "quote": told.quote, "escape": told.escape}
        for word, sign in signs.items():
            if len(sign) > 1 or (word == "delimiter" and not sign) or sign in ("\n", "\r"):
                raise refuse(codes.BAD_OPTION, name=name, why=f"its {word} must be a single character")
        if self._delimiter in (told.quote, told.escape):
            raise refuse(codes.BAD_OPTION, name=name, why="its delimiter must be another sign than quote and escape")

    def _scan(self) -> int:
        """How often is U+0000 in it? Refuses what is beyond ASCII where that was declared, and text with no rows."""
        nul_count, is_blank, ends = 0, True, Counter[bytes]()
        last = b""
        with self.path.open("rb") as file:
            while block := file.read(BLOCK):
                if self._charset == "ascii" and not block.isascii():
                    raise refuse(codes.BAD_ENCODING, name=self._request.name, expected="US-ASCII", where="")
                nul_count += block.count(b"\0") if b"\0" in block else 0  # to find nothing is quicker than to count it
                ends += _ends(block, last)
                last = block[-1:]
                is_blank = is_blank and not block.strip()
                self._has_controls |= self._charset == "latin-1" and len(block.translate(None, CONTROLS)) < len(block)
        if is_blank:
            raise refuse(codes.EMPTY_HEADER if self._options.header else codes.EMPTY_FILE)
        self._has_feeds = ends[b"\n"] > 0
        self.has_mixed_ends = ends[b"\r"] > 0 and not (ends[b"\r"] == ends[b"\r\n"] == ends[b"\n"])
        return nul_count

    def _recode(self) -> None:
        """Write the file anew as UTF-8: the engine refuses the upper controls of ISO-8859-1, which are what quotes and
        dashes of Windows look like."""
        target = self._request.folder / "recoded.csv"
        with self.path.open("rb") as source, target.open("wb") as file:
            while block := source.read(CHUNK):
                file.write(block.decode(self._charset).encode())
        self.path, self._charset = target, "utf-8"

    def _dialect(self) -> dict[str, Any]:
        told = self._options
        csv.field_size_limit(LONGEST_HEADER)
        return {
            "delimiter": self._delimiter,
            "quotechar": told.quote or None,
            "quoting": csv.QUOTE_MINIMAL if told.quote else csv.QUOTE_NONE,
            "doublequote": told.escape in (told.quote, ""),
            "escapechar": told.escape if told.escape not in (told.quote, "") else None,
        }

    def _first_lines(self) -> Iterator[str]:
        """The head of the file, line by line, and no more than a header may have."""
        with self.path.open("rb") as file:
            head = file.read(LONGEST_HEADER)
        plain = head.decode(self._charset, "surrogateescape").replace("\r\n", "\n")
        return (line + "\n" for line in re.split("[\n\r]", plain))

    def _normal(self) -> Iterator[bytes]:
        quote, delimiter = self._options.quote.encode(), self._delimiter.encode()
        piece, rest = _piece(quote, self._options.escape.encode(), delimiter), b""
        with self.path.open("rb") as file:
            while True:
                block = file.read(CHUNK)
                rest += block
                made, at = [], 0
                while found := piece.match(rest, at):
                    made.append(_one(found, quote))
                    at = found.end()
                rest = rest[at:]
                yield b"".join(made)
                if not block:
                    yield rest.removesuffix(b"\r")  # the first half of the last line's end
                    return
                if len(rest) > 2 * self._request.limits.cell:
                    raise refuse(
                        codes.DAMAGED, name=self._request.name, why="a quoted value has no end, or is too long"
                    )


def _without_mark(request: CheckRequest, path: Path) -> Path:
    """The file without its byte order mark: the engine does not know one before a quote, nor in ISO-8859-1."""
    with path.open("rb") as source:
        if source.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            return path
        bare = request.folder / "unmarked"
        with bare.open("wb") as target:
            copyfileobj(source, target, CHUNK)
    return bare


def _ends(block: bytes, last: bytes) -> Counter[bytes]:
    """Ends of lines by their signs; `last` is what stood before the block. Line feeds count once if they are all."""
    if b"\r" not in block and last != b"\r":
        return Counter({b"\n": 1}) if b"\n" in block else Counter()
    returns = block.count(b"\r")
    inner = block.count(b"\r\n") if BARE.search(block) else returns - block.endswith(b"\r")
    pairs = inner + (last == b"\r" and block.startswith(b"\n"))
    return Counter({b"\r": returns, b"\n": block.count(b"\n"), b"\r\n": pairs})


def _piece(quote: bytes, escape: bytes, delimiter: bytes) -> re.Pattern[bytes]:
    """One field and what ends it. The end of a line is told from a carriage return within a value."""
    q, e, d = re.escape(quote), re.escape(escape), re.escape(delimiter)
    inner = rb"(?:[^%b]|%b%b)*+" % (q, q, q) if escape in (quote, b"") else rb"(?:[^%b%b]|%b.)*+" % (q, e, e)
    quoted = rb"%b%b%b(?=%b|\r?\n)|" % (q, inner, q, d) if quote else b""
    return re.compile(rb"(%b[^%b\n]*?)(\r\n|\n|%b)" % (quoted, d, d), re.DOTALL)


def _one(found: re.Match[bytes], quote: bytes) -> bytes:
    field, end = found.groups()
    if b"\r" in field and quote and not field.startswith(quote):
        field = quote + field.replace(quote, quote + quote) + quote
    return field + (b"\n" if end == b"\r\n" else end)
