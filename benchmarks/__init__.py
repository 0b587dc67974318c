"""Speed beside the best that exists, as ratios within one run: a bare speed ages, a ratio less so.

All coders get the same symbols in one process. What they can prepare once (code tables, lists
instead of arrays, symbols sorted by table) is ready before the clock starts, which favours the
peers. The clock is CPU time, the rounds are interleaved so that a busy machine slows all alike,
and the figure is the median. Each coder must first give the symbols back, or the run stops.
"""

from benchmarks.cases import Case
from benchmarks.peers import CODERS, Coder, Skipped
from benchmarks.pictures import codec_speed, format_codec_table
from benchmarks.speed import coders, format_table
from benchmarks.steps import format_step_table, step_time

__all__ = [
    "CODERS",
    "Case",
    "Coder",
    "Skipped",
    "coders",
    "codec_speed",
    "format_codec_table",
    "format_step_table",
    "format_table",
    "step_time",
]
