"""Relatives: other ways to spend bits, each a toy that is trained inside its chapter."""
