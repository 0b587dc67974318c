"""The recurrent codec: its equations, its bits, and that every beginning of a file is a file."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import scenes
import strokes
from cwbook.relatives import recurrent
from cwbook.relatives.recurrent import ConvGRU, Recurrent, binarise, compress, decompress
from cwlib import metrics
from cwlib.coding import adaptive
from cwlib.coding.stream import StreamError

TINY = {"width": 6, "code": 3}


def untrained(**settings) -> Recurrent:
    torch.manual_seed(1)
    net = Recurrent(**{**TINY, **settings})
    net.D.out.weight.data *= 20  # bits must show in the picture
    return net.eval()


def grey(side: int, seed: int) -> np.ndarray:
    return scenes.scene(side, side, seed).mean(axis=2).round().astype(np.uint8)


@pytest.fixture(scope="module")
def trained() -> Recurrent:
    torch.manual_seed(0)
    net = Recurrent(width=16)
    pictures = np.stack([grey(32, seed) for seed in range(64)])

    def batch(step: int) -> torch.Tensor:
        return torch.from_numpy(pictures[np.arange(4 * step, 4 * step + 4) % 64])[:, None]

    net.course = recurrent.train(net, batch, steps=150, iterations=3)
    return net


# E, B and D


def test_the_gru_is_pytorchs_on_a_picture_of_one_place():
    torch.manual_seed(0)
    ours, theirs = ConvGRU(5), nn.GRUCell(5, 5)
    r_z_n = torch.cat([torch.arange(5, 10), torch.arange(5), torch.arange(10, 15)])  # their order
    with torch.no_grad():
        theirs.weight_ih.copy_(ours.input.weight[r_z_n, :, 1, 1])  # only the middle meets a place
        theirs.bias_ih.copy_(ours.input.bias[r_z_n])
        theirs.weight_hh.copy_(ours.state.weight[r_z_n, :, 0, 0])
        theirs.bias_hh.zero_()
    x, h = torch.randn(2, 7, 5)
    torch.testing.assert_close(
        ours(x[:, :, None, None], h[:, :, None, None])[..., 0, 0], theirs(x, h)
    )


def test_binarise_takes_the_sign_and_passes_the_slope_on():
    v = torch.tensor([-0.9, -0.01, 0.0, 0.4], requires_grad=True)
    b = binarise(v)
    assert b.tolist() == [-1, -1, 1, 1]
    b.backward(torch.tensor([1.0, 2, 3, 4]))
    assert v.grad.tolist() == [1, 2, 3, 4]


def test_binarise_by_chance_is_v_on_average():
    v = torch.tensor([-1.0, -0.5, 0.0, 0.8, 1.0])
    drawn = binarise(v.expand(20_000, 5), torch.Generator().manual_seed(0))
    assert set(drawn.unique().tolist()) == {-1, 1}
    torch.testing.assert_close(drawn.mean(0), v, atol=0.03, rtol=0)  # 4 standard deviations


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_forward_is_the_papers_recursion(gamma):
    net, x = untrained(gamma=gamma), torch.rand(2, 1, 16, 24)
    with torch.no_grad():
        out = net(x, 3)
        h_E = h_D = torch.zeros(2, 6, 2, 3)
        x_hat = torch.zeros(2, 1, 16, 24)  # around mid-grey
        for t in range(3):
            v, h_E = net.E(x - 0.5 - x_hat, h_E)
            drawn, h_D = net.D(torch.where(v >= 0, 1.0, -1.0), h_D)
            x_hat = drawn + gamma * x_hat
            torch.testing.assert_close(out.x_hat[t], x_hat + 0.5)
    assert out.codes.shape == (3, 2, 3, 2, 3)


@torch.no_grad()
def test_the_decoder_draws_what_the_encoder_saw_at_every_length():
    net, x = untrained(), torch.rand(1, 1, 24, 16)
    out = net(x, 4)
    for t in range(4):
        assert torch.equal(net.decode(out.codes[: t + 1]), out.x_hat[t])
    assert (out.x_hat[1:] - out.x_hat[:-1]).abs().amax(dim=(1, 2, 3, 4)).min() > 0


def test_the_loss_is_the_mean_absolute_residual_over_all_iterations():
    x_hat = torch.stack([torch.full((1, 1, 2, 2), 0.5), torch.full((1, 1, 2, 2), 0.2)])
    assert recurrent.loss(x_hat, torch.zeros(1, 1, 2, 2)).item() == pytest.approx(0.35)


# training


def test_training_makes_every_iteration_of_an_unseen_picture_better(trained):
    unseen = [grey(32, seed) for seed in range(100, 108)]
    quality = []
    for cut in (4, 12, 20, 28):  # 4 bits for each of 4 x 4 cells: 8 bytes an iteration
        pairs = [
            (image, decompress(trained, compress(trained, image, 3)[:cut])) for image in unseen
        ]
        quality.append(np.mean([metrics.psnr(*pair) for pair in pairs]))
    assert quality[1] > quality[0] + 3
    assert quality[3] > quality[2] > quality[1] + 0.5


def test_training_twice_gives_the_same_net_and_chance_another():
    def run(generator: torch.Generator | None = None) -> torch.Tensor:
        torch.manual_seed(3)
        net = Recurrent(**TINY)
        page = torch.from_numpy(strokes.digits(1, 16))[:, None]
        recurrent.train(net, lambda step: page, 3, iterations=2, generator=generator)
        return net.E.out.weight

    assert torch.equal(run(), run())
    assert not torch.equal(run(), run(torch.Generator().manual_seed(0)))


# bits


@given(st.data())
def test_pack_writes_the_bits_in_order_and_unpack_reads_them(data):
    shape = data.draw(st.tuples(*[st.integers(1, 4)] * 4), label="(T, code, h, w)")
    seed = data.draw(st.integers(0, 2**32 - 1))
    codes = np.random.default_rng(seed).choice(np.float32([-1, 1]), size=shape)
    section = recurrent.section_bytes(*shape[1:])
    wanted = b""
    for one in codes:
        word = "".join("1" if b > 0 else "0" for b in one.ravel())
        wanted += int(word.ljust(8 * section, "0"), 2).to_bytes(section, "big")
    assert recurrent.pack(codes) == wanted
    assert np.array_equal(recurrent.unpack(wanted, *shape[1:]), codes)


def test_coded_sections_decode_to_the_same_bits(trained):
    image = strokes.page(40, 24, seed=3)
    data = compress(trained, image, 3)
    codes = recurrent.unpack(data[4:], 4, 5, 3)
    sections = recurrent.coded_sections(data, 4, 5, 3)
    assert len(sections) == 3
    for one, section in zip(codes, sections, strict=True):
        symbols = adaptive.decode(section, 15, 16, order=1)
        bits = (symbols[:, None] >> np.arange(4)) & 1  # (place, channel)
        assert np.array_equal(bits.T.reshape(4, 5, 3), one > 0)


# files


@settings(max_examples=12)
@given(height=st.integers(1, 40), width=st.integers(1, 40), iterations=st.integers(1, 3))
def test_any_size_comes_back_and_the_file_is_as_long_as_it_must_be(height, width, iterations):
    net = untrained()
    data = compress(net, strokes.page(height, width), iterations)
    cells = -(-height // 8) * -(-width // 8)
    assert len(data) == 4 + iterations * -(-3 * cells // 8)
    assert decompress(net, data).shape == (height, width)


def test_the_rate_does_not_depend_on_the_picture():
    net, rng = untrained(), np.random.default_rng(0)
    noise = rng.integers(0, 256, (32, 32), dtype=np.uint8)
    assert len(compress(net, noise, 3)) == len(compress(net, np.zeros_like(noise), 3))


def test_no_iteration_is_too_few():
    with pytest.raises(ValueError, match="at least one iteration, got 0"):
        compress(untrained(), strokes.page(8, 8), 0)


def test_every_beginning_of_a_file_is_a_file():
    net, image = untrained(), strokes.page(24, 24)
    data = compress(net, image, 4)
    section = recurrent.section_bytes(3, 3, 3)
    whole = [decompress(net, compress(net, image, t)) for t in range(1, 5)]
    whole.insert(0, decompress(net, data[:4]))
    assert (whole[0] == 128).all()  # no bit yet: mid-grey
    assert all((a != b).any() for a, b in zip(whole, whole[1:], strict=False))
    for cut in range(4, len(data) + 1):
        assert np.array_equal(decompress(net, data[:cut]), whole[(cut - 4) // section])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "too short for the header"),
        (b"\x08\0\x08", "too short for the header"),
        (b"\0\0\x08\0", "0x8 pixels"),
        (b"\xff\xff\xff\xff", "65535x65535 pixels"),
    ],
)
def test_a_header_that_cannot_be_is_refused(data, message):
    with pytest.raises(StreamError, match=message):
        decompress(untrained(), data)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((8, 8)),
        np.zeros((0, 8), np.uint8),
        np.zeros((1, 70_000), np.uint8),
    ],
)
def test_a_picture_of_another_kind_is_refused(image):
    with pytest.raises(ValueError, match="grey picture|at most 65535"):
        compress(untrained(), image)
