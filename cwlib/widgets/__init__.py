"""What moves in the chapters: pictures made beforehand, explorers for a live kernel, tables."""

from cwlib.widgets.explorers import (
    explore_importance,
    explore_photo,
    importance_frame,
    photo_frame,
)
from cwlib.widgets.scrubber import Explorer, Frame, Scrubber
from cwlib.widgets.tables import table

__all__ = [
    "Explorer",
    "Frame",
    "Scrubber",
    "explore_importance",
    "explore_photo",
    "importance_frame",
    "photo_frame",
    "table",
]
