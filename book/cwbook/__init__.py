"""The book's own tools: what the pages need, and a user of the codec does not.

    figures       everything that is drawn: arrays in, axes out
    widgets       what moves in the chapters: scrubbers, explorers, and what recomputes
    relatives     toys of other methods, small enough to be trained inside a chapter
    results       records of book/results, as the chapters read them
    rd_curves     curves of quality over rate: read at a rate, or compared
    seeds         runs that differ in their seed: means, spreads, differences
    studies       small nets with several seeds, and `study_runs`, which trains and measures them
    plans         what a training run costs
    measurements  figures that only claims of the papers need
    ledger decisions cards   what the papers claim, what they leave open, and both as HTML

`python -m cwbook --help` has the commands.
"""

__all__ = ["Scrubber", "find_device", "table"]  # noqa: F822


def __getattr__(name: str) -> object:
    """What every chapter imports, loaded when it is asked for: commands draw nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'cwbook' has no attribute {name!r}")
    from cwbook import widgets

    return getattr(widgets, name)
