"""Whole numbers to bytes and back, without loss. Knows no torch and no pictures.

    stream       the file: header, sections, checksum; StreamError
    prefix       word lengths, canonical words, lookup tables
    huffman      codes with them: whole bits for every symbol
    frequencies  probabilities to whole counts, the best there are
    tables       such counts, for every coder that is told what to expect
    arithmetic   one message becomes one number: the textbook, byte by byte
    adaptive     the same with counts that learn from the message
    rans         one message becomes one number, stacked: the fast one
    intervals    what rans looks up; wide multiplies 64 bits by 64 for it
    gaussian     64 tables of rounded normals, the same on every machine
    scales       the hyper-decoder in whole numbers: which table each latent has
    hyperprior   both sections of a photograph's stream
    context      mnist-cw1's prior in whole numbers, and its coder
    jit          one switch between compiled and plain loops

Coders that take tables are called alike: encode(symbols, indices, tables) -> bytes, and back with
decode(data, indices, tables).
"""
