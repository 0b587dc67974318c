"""Content-weighted image compression: the package under the book.

>>> from cwlib import codec, zoo  # doctest: +SKIP
>>> model = zoo.load("mnist-cw")  # doctest: +SKIP
>>> codec.decompress(codec.compress(model, image)).shape  # doctest: +SKIP
(128, 128)
"""

__version__ = "0.1.0"
__all__ = ["StreamError", "__version__"]  # noqa: F822


def __getattr__(name: str) -> object:
    if name == "StreamError":  # not before it is asked for: until then `import cwlib` loads nothing
        from cwlib.coding.stream import StreamError

        return StreamError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
