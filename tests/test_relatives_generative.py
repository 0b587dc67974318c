"""Generative compression: bins, bits, codecs, and what happens to them on a bad line."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import strokes
from cwbook.relatives import generative as g
from cwlib.coding import huffman

BITS = st.one_of(st.integers(0, 8), st.lists(st.integers(0, 8), min_size=10, max_size=10))


def numbers(n, bits, seed=0):
    """Random numbers that fit into so many bits: (n, 10)."""
    top = 2 ** np.broadcast_to(bits, 10)
    return np.random.default_rng(seed).integers(0, top, (n, 10))


# bins and bits


@pytest.mark.parametrize("bits", [1, 3, 6])
def test_bins_hold_equal_shares_of_a_standard_normal(bits):
    z = np.random.default_rng(0).standard_normal((200_000, 1))
    counts = np.bincount(g.quantise(z, bits).ravel(), minlength=2**bits)
    n = len(z) / 2**bits
    assert np.abs(counts - n).max() < 5 * np.sqrt(n)


def test_bins_of_one_and_two_bits_have_the_quartiles_of_textbooks():
    # medians of the halves are the quartiles 0.6745; of the quarters the octiles 0.3186, 1.1503
    one = g.dequantise(np.array([[0], [1]]), 1).ravel()
    two = g.dequantise(np.arange(4)[:, None], 2).ravel()
    assert one == pytest.approx([-0.67449, 0.67449], abs=1e-5)
    assert two == pytest.approx([-1.15035, -0.31864, 0.31864, 1.15035], abs=1e-5)


@given(BITS, st.integers(0, 3))
def test_the_middle_of_a_bin_lies_in_the_bin(bits, seed):
    k = numbers(5, bits, seed)
    assert np.array_equal(g.quantise(g.dequantise(k, bits), bits), k)


def test_values_however_far_out_have_a_bin():
    k = g.quantise(np.array([[-np.inf, -50.0, 50.0, np.inf]]), 4)
    assert k.tolist() == [[0, 0, 15, 15]]


@given(BITS, st.integers(0, 3))
def test_numbers_survive_packing(bits, seed):
    k = numbers(4, bits, seed)
    streams = g.pack(k, bits)
    assert streams.shape == (4, -(-int(np.broadcast_to(bits, 10).sum()) // 8))
    assert np.array_equal(g.unpack(streams, bits), k)


def test_packing_writes_the_highest_bit_first():
    k = np.zeros((1, 10), dtype=np.int64)
    k[0, :2] = 0b1010, 0b0011
    assert g.pack(k, 4)[0, 0] == 0b10100011


def test_streams_of_another_length_are_refused():
    with pytest.raises(ValueError, match="40 bits are 5 bytes"):
        g.unpack(np.zeros((1, 6), dtype=np.uint8), 4)


# codecs


def test_principal_components_are_those_of_a_singular_value_decomposition():
    images = strokes.digits(60)
    codec = g.Linear(images, latents=8)
    x = images.reshape(60, -1) / 255
    _, s, vt = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    best = x.mean(axis=0) + (x - x.mean(axis=0)) @ vt[:8].T @ vt[:8]
    wanted = np.round(255 * np.clip(best, 0, 1)).reshape(-1, 28, 28)
    assert np.abs(codec.draw(codec.latents(images)) - wanted).max() <= 1  # rounding
    assert codec.scale[::-1] == pytest.approx(s[:8] / np.sqrt(59))
    assert codec.latents(images).std(axis=0, ddof=1) == pytest.approx(np.ones(8))


def test_the_rate_is_the_divergence_that_torch_computes():
    torch.manual_seed(0)
    net, x = g.VAE(), torch.rand(6, 28, 28)
    mu, log_var = net.posterior(x)
    q = torch.distributions.Normal(mu, torch.exp(0.5 * log_var))
    wanted = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum() / 6
    _, rate = g.loss_terms(net, x, torch.zeros(6, g.LATENTS))
    assert rate.item() == pytest.approx(wanted.item(), rel=1e-5)
    images = (255 * x).to(torch.uint8).numpy()
    total = g.latent_bits(net, images).sum() * np.log(2)
    assert total == pytest.approx(rate.item(), rel=1e-2)  # the images are rounded


def test_the_distortion_is_that_of_bernoulli_pixels():
    torch.manual_seed(0)
    net, x = g.VAE(), torch.rand(3, 28, 28)
    noise = torch.randn(3, g.LATENTS)
    mu, log_var = net.posterior(x)
    p = torch.sigmoid(net.g(mu + torch.exp(0.5 * log_var) * noise)).view_as(x)
    wanted = -(x * p.log() + (1 - x) * (1 - p).log()).sum() / 3
    assert g.loss_terms(net, x, noise)[0].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_training_twice_gives_the_same_weights_and_leaves_the_global_seed_alone():
    torch.manual_seed(5)
    state, images = torch.random.get_rng_state(), strokes.digits(40)
    one, two = (g.train(images, steps=3, batch=8).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_training_learns_to_draw():
    images = strokes.digits(40)
    rough, better = (g.train(images, steps=n, batch=20) for n in (1, 150))
    errors = [
        np.mean((net.draw(net.latents(images)).astype(float) - images) ** 2)
        for net in (rough, better)
    ]
    assert errors[1] < 0.7 * errors[0]


@pytest.mark.parametrize("codec", [g.VAE().eval(), g.Linear(strokes.digits(30))])
def test_every_string_of_bits_is_a_picture(codec):
    streams = np.random.default_rng(0).integers(0, 256, (7, 5), dtype=np.uint8)
    images = g.decompress(codec, streams, 4)
    assert images.shape == (7, 28, 28) and images.dtype == np.uint8


def test_more_bits_bring_the_picture_closer_to_what_the_vector_itself_draws():
    images = strokes.digits(30)
    codec = g.Linear(images)
    wanted = codec.draw(codec.latents(images)).astype(float)
    errors = [
        np.mean((g.decompress(codec, g.compress(codec, images, b), b) - wanted) ** 2)
        for b in (1, 2, 4, 8)
    ]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1


# a bad line


def test_bits_are_flipped_as_often_as_said():
    streams = np.zeros((100, 500), dtype=np.uint8)
    flipped = g.flip_bits(streams, 0.03, np.random.default_rng(0))
    ones = np.unpackbits(flipped).sum()
    mean, spread = 400_000 * 0.03, np.sqrt(400_000 * 0.03 * 0.97)
    assert abs(ones - mean) < 5 * spread and not streams.any()


def test_no_bit_is_flipped_at_zero_and_every_one_at_one():
    streams = np.arange(60, dtype=np.uint8).reshape(3, 20)
    rng = np.random.default_rng(0)
    assert np.array_equal(g.flip_bits(streams, 0.0, rng), streams)
    assert np.array_equal(g.flip_bits(streams, 1.0, rng), ~streams)


@given(st.lists(st.integers(0, 7), max_size=60))
def test_sound_words_are_read_as_the_real_decoder_reads_them(symbols):
    code = huffman.Code.from_counts([40, 20, 10, 8, 4, 2, 2, 1])
    data = code.encode(np.array(symbols, dtype=np.int64))
    assert g.read_words(code, data, len(symbols)).tolist() == symbols


def test_words_that_are_missing_are_filled_in():
    code = huffman.Code.from_counts([4, 2, 1, 1])
    data = code.encode(np.array([3, 3, 3, 3]))  # 111 four times: a byte holds two and a rest
    assert g.read_words(code, data[:1], 6, missing=2).tolist() == [3, 3, 2, 2, 2, 2]


def test_one_wrong_bit_can_put_all_words_behind_it_out_of_step():
    code = huffman.Code.from_lengths([1, 2, 3, 3])  # 0, 10, 110, 111
    symbols = np.array([3, 2, 1, 3, 2])
    data = code.encode(symbols)
    damaged = bytes([data[0] ^ 128, *data[1:]])  # 111 becomes 011: 0, 111, ...
    found = g.read_words(code, damaged, 5)
    assert found[0] == 0 and not np.array_equal(found[1:], symbols[1:])


def test_the_nearest_label_is_found_as_by_trying_all():
    references, images = strokes.digits(20), strokes.digits(6, seed=1)
    labels = np.arange(20) % 10
    wanted = [
        labels[min(range(20), key=lambda k: np.sum((references[k] - x.astype(float)) ** 2))]
        for x in images
    ]
    assert g.nearest_labels(images, references, labels).tolist() == wanted
