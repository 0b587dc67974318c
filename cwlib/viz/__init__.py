"""Every figure of the book, in one look. Knows arrays, not models.

    look      the colour, marker and name of each method; STYLE and style(); new_axes
    labels    text beside lines and points, in place of legends
    images    pictures in grids (show_images, captioned_grid), arrays glued to one picture
    maps      importance maps: in colour, over a picture, below it; cells on the grid of the code
    charts    lines, steps with slopes, points, digits as points, bars
    rates     rate-distortion curves, and marks upon them
    diagrams  what is explained by drawing it: bits kept, residual units, fields of view

Figures are small and their letters large, so that they can be read on a phone; their background is
white in dark mode too. `viz.style()` sets the look once per session, before anything is drawn. A
function returns the Axes that it drew on; a cell that draws ends with `viz.plt.show()`.
"""

import matplotlib.pyplot as plt

from cwlib.viz.charts import (
    PARTS,
    digit_scatter,
    line_plot,
    scatter,
    slope_plot,
    stacked_bars,
    word_lengths,
)
from cwlib.viz.diagrams import fields_of_view, kept_bits, residual_diagram
from cwlib.viz.images import captioned_grid, show_images, side_by_side, tile
from cwlib.viz.labels import label_line
from cwlib.viz.look import COLOURS, LABELS, STYLE, WIDTH, method_style, new_axes, style
from cwlib.viz.maps import cells_with_ink, colour_map, importance_grid, importance_overlay
from cwlib.viz.rates import mark_points, mark_rates, rd_overview, rd_plot

__all__ = [
    "COLOURS",
    "LABELS",
    "PARTS",
    "STYLE",
    "WIDTH",
    "captioned_grid",
    "cells_with_ink",
    "colour_map",
    "digit_scatter",
    "fields_of_view",
    "importance_grid",
    "importance_overlay",
    "kept_bits",
    "label_line",
    "line_plot",
    "mark_points",
    "mark_rates",
    "method_style",
    "new_axes",
    "plt",
    "rd_overview",
    "rd_plot",
    "residual_diagram",
    "scatter",
    "show_images",
    "side_by_side",
    "slope_plot",
    "stacked_bars",
    "style",
    "tile",
    "word_lengths",
]
