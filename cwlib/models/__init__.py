"""The networks of both papers and their variants: built from an Experiment, knowing no files.

    autoencoders  paper 1's three networks, and ours with a price on bits
    context_prior the prior of that one
    variants      paper 1's ResNet AE with other masks and other quantisers, for studies
    hierarchical  paper 2's codec with its hyperprior
    ordering      its channels in another order
    catalogue     all of them by name

and what they are made of: gdn, quantize, importance, priors, layers.

Attributes have the papers' letters: g_a and g_s are encoder and decoder, h_a and h_s those of the
hyperprior.
"""
