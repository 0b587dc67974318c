"""What moves in the chapters.

    scrubber  pictures made beforehand, with a slider and perhaps a list: Scrubber, Explorer
    tables    rows of cells as Markdown
    pictures  a digit or a photograph as decoded, beside what was kept of it
    rates     a choice of codecs at one rate, beside JPEG
    steps     single steps: rounding, division by neighbours
    coders    Huffman's tree, the arithmetic coder's interval, the state of rANS
    device    where a chapter computes: find_device
    live      what the `explore_...` of these modules share: controls of a live kernel

A `..._frame` draws one picture and says its caption, for a Scrubber; an `explore_...` is the same
with controls (ipywidgets) that compute it again with the real model or coder.
"""

from cwbook.widgets.coders import (
    explore_huffman,
    explore_interval,
    explore_rans,
    huffman_frame,
    interval_frame,
    rans_frame,
)
from cwbook.widgets.device import find_device
from cwbook.widgets.pictures import (
    bits_frame,
    explore_importance,
    explore_photo,
    importance_frame,
    photo_frame,
)
from cwbook.widgets.rates import Rivals, explore_rates, rate_explorer
from cwbook.widgets.scrubber import Explorer, Frame, Scrubber
from cwbook.widgets.steps import explore_gdn, explore_rounding, gdn_frame, rounding_frame
from cwbook.widgets.tables import table

__all__ = [
    "Explorer",
    "Frame",
    "Rivals",
    "Scrubber",
    "bits_frame",
    "explore_gdn",
    "explore_huffman",
    "explore_importance",
    "explore_interval",
    "explore_photo",
    "explore_rans",
    "explore_rates",
    "explore_rounding",
    "find_device",
    "gdn_frame",
    "huffman_frame",
    "importance_frame",
    "interval_frame",
    "photo_frame",
    "rans_frame",
    "rate_explorer",
    "rounding_frame",
    "table",
]
