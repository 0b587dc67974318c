"""Content-weighted image compression: the package under the book.

>>> from cwlib import codec, zoo  # doctest: +SKIP
>>> model = zoo.load("mnist-cw")  # doctest: +SKIP
>>> codec.decompress(codec.compress(model, image)).shape  # doctest: +SKIP
(128, 128)
"""

from cwlib.coding.stream import StreamError

__version__ = "0.1.0"
__all__ = ["StreamError", "__version__"]
