"""Columns of the list of runs that say what is usual beside what is: only for runs at work, where it matters."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString

from runs.models import Run
from runs.reading.durations import Band, bands_of, longer_than, usual
from runs.templatetags.headgate import icon, lasted, number

NO_BAND = Band()
MARK = '<span class="hg-badge hg-warning hg-late">{}<span>{}</span></span>'
SUB = '{}<span class="hg-sub hg-block">{}</span>'


def with_bands(runs: Iterable[Run]) -> list[Run]:
    """The same runs; those at work carry their band. Two queries for all of them, none where none is at work."""
    shown = list(runs)
    working = [run for run in shown if run.is_open]
    bands = bands_of(working)
    for run in working:
        run.__dict__["band"] = bands[(run.source_id, run.mode)]
    return shown


def band_of_row(run: Run) -> Band:
    band: Band = run.__dict__.get("band", NO_BAND)
    return band


def late(run: Run, *, now: datetime) -> SafeString | str:
    """A mark beside the status of a run that takes longer than nine of ten did."""
    band, passed = band_of_row(run), run.duration(now=now)
    if passed is None or not band.is_long(passed):
        return ""
    return format_html(MARK, icon("timer"), longer_than(band, passed))


def took(run: Run) -> SafeString | str:
    """How long, and what is usual."""
    band = band_of_row(run)
    return format_html(SUB, lasted(run), f"usually {usual(band)}") if band.enough else lasted(run)


def rows(run: Run) -> SafeString | str:
    """Rows so far, and of how many: what is usual for its source and type."""
    band = band_of_row(run)
    if not band.enough or not band.usual_rows:
        return number(run.row_count)
    return format_html(SUB, number(run.row_count), f"of ~{number(band.usual_rows)}")
