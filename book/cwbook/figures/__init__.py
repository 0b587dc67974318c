"""Every figure of the book, in one look. Knows arrays, not models.

    look      the colour, marker and name of each method; STYLE and style(); new_axes
    labels    text beside lines and points, in place of legends
    files     a figure or a picture as PNG, JPEG or WebP in memory
    images    pictures in grids (show_images, captioned_grid), arrays glued to one picture
    maps      importance maps: in colour, over a picture, below it; cells on the grid of the code
    charts    lines, steps with slopes, points, digits as points, bars
    rates     rate-distortion curves, and marks upon them
    diagrams  what is explained by drawing it: bits kept, residual units, fields of view
    bytes     hexdumps with their fields, varints, what a flipped bit does where
    coders    arithmetic coding and rANS at work: intervals zoomed into, coloured numbers, states
    curves    photographs' results: many rate-distortion curves, gains by image, learning, maps
    codes     words as a budget, Huffman trees, rows of bits, a coin, tables of shares
    photos    paper 2's network with its shapes, what its channels see, hold and cost
    verdicts  how many of each kind: bars with their counts written into them
    tables    what each count saves, what rounding loses, a wrong scale; hints; ratios
    masks     what masks keep, quantisers with what stands for them in training
    ablations runs of several seeds: curves, courses, differences with their spread
    relatives other ways to spend bits: rates far apart, codecs over data sets, a lattice
    one_net   one net for all rates: boxes and arrows, steps over quality, what is coded when

Figures are small and their letters large, so that they can be read on a phone; their background is
white in dark mode too. `figures.style()` sets the look once a session, before anything is drawn. A
function returns the Axes that it drew on; a cell that draws ends with `figures.plt.show()`.
"""

import matplotlib.pyplot as plt

from cwbook.figures.ablations import (
    difference_rows,
    labelled_mosaic,
    seed_curves,
    seed_differences,
    seed_lines,
    seed_rows,
)
from cwbook.figures.bytes import flips_by_byte, hexdump, varint_bits
from cwbook.figures.charts import (
    PARTS,
    digit_scatter,
    line_plot,
    scatter,
    slope_plot,
    stacked_bars,
    word_lengths,
)
from cwbook.figures.coders import (
    coloured_numbers,
    interval_zoom,
    learning_cost,
    overheads,
    rans_state,
    state_plot,
)
from cwbook.figures.codes import (
    bit_row,
    coin,
    huffman_tree,
    joint_table,
    kraft_budget,
    two_tables,
)
from cwbook.figures.curves import (
    gains_by_image,
    histograms,
    learning_curves,
    photo_and_maps,
    rd_groups,
    sorted_bars,
)
from cwbook.figures.diagrams import fields_of_view, kept_bits, residual_diagram
from cwbook.figures.files import as_jpeg, as_png, as_webp
from cwbook.figures.images import captioned_grid, show_images, side_by_side, tile
from cwbook.figures.labels import label_line
from cwbook.figures.look import COLOURS, LABELS, STYLE, WIDTH, method_style, new_axes, style
from cwbook.figures.maps import cells_with_ink, colour_map, importance_grid, importance_overlay
from cwbook.figures.masks import bit_grids, level_histograms, mask_maps, stand_in
from cwbook.figures.one_net import checkerboards, dial_curves, flow
from cwbook.figures.photos import (
    channel_mosaic,
    channel_prices,
    hierarchy,
    joint_densities,
    mask_profile,
    matrices,
    nested_fields,
    photo_and_map,
)
from cwbook.figures.rates import mark_points, mark_rates, rd_overview, rd_plot
from cwbook.figures.relatives import codec_lines, lattice, rate_ladder, turn_grids
from cwbook.figures.tables import (
    count_savings,
    hint_strip,
    loss_plot,
    ratio_bars,
    wrong_scale,
)
from cwbook.figures.verdicts import VERDICT_COLOURS, count_bars

__all__ = [
    "COLOURS",
    "LABELS",
    "PARTS",
    "STYLE",
    "VERDICT_COLOURS",
    "WIDTH",
    "as_jpeg",
    "as_png",
    "as_webp",
    "bit_grids",
    "bit_row",
    "captioned_grid",
    "cells_with_ink",
    "channel_mosaic",
    "channel_prices",
    "checkerboards",
    "codec_lines",
    "coin",
    "colour_map",
    "coloured_numbers",
    "count_bars",
    "count_savings",
    "dial_curves",
    "difference_rows",
    "digit_scatter",
    "fields_of_view",
    "flips_by_byte",
    "flow",
    "gains_by_image",
    "hexdump",
    "hierarchy",
    "hint_strip",
    "histograms",
    "huffman_tree",
    "importance_grid",
    "importance_overlay",
    "interval_zoom",
    "joint_densities",
    "joint_table",
    "kept_bits",
    "kraft_budget",
    "label_line",
    "labelled_mosaic",
    "lattice",
    "learning_cost",
    "learning_curves",
    "level_histograms",
    "line_plot",
    "loss_plot",
    "mark_points",
    "mark_rates",
    "mask_maps",
    "mask_profile",
    "matrices",
    "method_style",
    "nested_fields",
    "new_axes",
    "overheads",
    "photo_and_map",
    "photo_and_maps",
    "plt",
    "rans_state",
    "rate_ladder",
    "ratio_bars",
    "rd_groups",
    "rd_overview",
    "rd_plot",
    "residual_diagram",
    "scatter",
    "seed_curves",
    "seed_differences",
    "seed_lines",
    "seed_rows",
    "show_images",
    "side_by_side",
    "slope_plot",
    "sorted_bars",
    "stacked_bars",
    "stand_in",
    "state_plot",
    "style",
    "tile",
    "turn_grids",
    "two_tables",
    "varint_bits",
    "word_lengths",
    "wrong_scale",
]
