"""Our codec for photographs: any size, exact symbols, qualities, sizes, regions, effort, damage."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import event, given
from hypothesis import strategies as st

import damage
import own
from cwlib import StreamError, codec, metrics, zoo
from cwlib.codec import photo, precision, refine
from cwlib.coding import adaptive, stream

IMAGE = own.scene(70, 97)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("own")
    own.save(where)
    return where


@pytest.fixture(autouse=True)
def tiny_zoo(folder, monkeypatch):
    monkeypatch.setattr(zoo, "WEIGHTS", folder)


@pytest.fixture
def model(tiny_zoo) -> zoo.TrainedModel:
    return zoo.load("tiny-own")


def disc(height: int, width: int) -> np.ndarray:
    """A mask: white in a circle about the middle, black around."""
    y, x = np.mgrid[:height, :width]
    inside = np.hypot(y - height / 2, x - width / 2) < min(height, width) / 3
    return np.where(inside, 255, 0).astype(np.uint8)


# --- there and back ------------------------------------------------------------------------------


@pytest.mark.parametrize("grey", [False, True], ids=["rgb", "grey"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (16, 64), (65, 63)])
def test_any_size_comes_back_as_the_network_made_it(model, shape, grey):
    image = own.scene(*shape)
    image = image[..., 1].copy() if grey else image
    blob = codec.compress(model, image, quality=0.6)
    found = codec.decompress(blob)
    assert found.shape == image.shape and found.dtype == np.uint8
    colour = np.stack([image] * 3, axis=2) if grey else image
    padded = np.pad(colour, [*((0, -s % 64) for s in shape), (0, 0)], mode="edge")
    with torch.no_grad():
        x_hat = model.net(own.pixels(padded), round(0.6 * 96) / 96).x_hat[0]
    wanted = x_hat.mean(0) if grey else x_hat.permute(1, 2, 0)
    wanted = (255 * wanted[: shape[0], : shape[1]]).round().clamp(0, 255).numpy()
    # the float net may round a latent near a half the other way
    assert metrics.psnr(wanted.astype(np.uint8), found) > 38


def test_streams_cost_what_the_likelihoods_say(model):
    image = own.scene(320, 448)  # multiples of 64: nothing is padded
    with torch.no_grad():
        estimate = model.net(own.pixels(image), 0.5).bits.item()
    assert 8 * len(codec.compress(model, image, quality=0.5)) == pytest.approx(estimate, rel=0.02)


@pytest.mark.parametrize("quality, roi", [(0.0, None), (0.5, None), (0.8, disc(70, 97))])
def test_the_four_steps_make_the_same_bytes_and_the_same_picture(model, quality, roi):
    blob = codec.compress(model, IMAGE, quality=quality, roi=roi)
    latents = codec.unpack(model, blob)
    assert codec.pack(model, latents, IMAGE.shape) == blob
    assert np.array_equal(
        codec.synthesise(model, [latents], IMAGE.shape)[0], codec.decompress(blob)
    )
    if roi is None:
        (again,) = codec.analyse(model, IMAGE[None], quality)
        assert np.array_equal(again.symbols, latents.symbols)
        assert np.array_equal(again.values, latents.values)


def test_latents_that_do_not_fit_together_are_refused(model):
    (latents,) = codec.analyse(model, IMAGE[None], 0.5)
    y = latents.y.copy()
    y[:, 0, 0] += 9
    symbols = np.where(latents.symbols == 0, 5, latents.symbols)
    for wrong in (replace(latents, symbols=symbols), replace(latents, symbols=symbols, y=y)):
        with pytest.raises(ValueError, match="do not belong to"):
            codec.pack(model, wrong, IMAGE.shape)


# --- exact on every machine ----------------------------------------------------------------------


def test_symbols_do_not_depend_on_threads_or_on_the_float_type(model, monkeypatch):
    blob = codec.compress(model, own.scene(130, 190), quality=0.7)
    latents, picture = codec.unpack(model, blob), codec.decompress(blob)
    threads = torch.get_num_threads()
    here = precision.cpu_has_bfloat16()
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: not here)
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        other = codec.unpack(model, blob)
        again = codec.decompress(blob)
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(other.symbols, latents.symbols)
    assert np.array_equal(other.values, latents.values)
    differences = np.abs(again.astype(int) - picture)
    assert differences.max() <= 2 and (differences <= 1).mean() > 0.999


def test_stripes_give_what_the_whole_gives(model, monkeypatch):
    image, roi = own.scene(700, 80), disc(700, 80)
    whole = codec.compress(model, image, quality=0.5, roi=roi)
    picture = codec.decompress(whole)
    monkeypatch.setattr(photo, "STRIPE_PIXELS", 128 * 200)
    steps = []
    apart = codec.compress(model, image, watch=lambda r: steps.append(len(r)) or r, roi=roi)
    assert steps and steps[0] > 2
    a, b = codec.unpack(model, whole), codec.unpack(model, apart)
    assert (a.symbols != b.symbols).mean() < 1e-4  # a latent near a half
    assert np.abs(codec.decompress(whole).astype(int) - picture).max() <= 1


# --- qualities and sizes -------------------------------------------------------------------------


def test_better_quality_is_a_larger_stream_and_a_better_picture(model):
    blobs = [codec.compress(model, IMAGE, quality=q) for q in np.linspace(0, 1, 6)]
    sizes = [len(blob) for blob in blobs]
    errors = [metrics.mse(IMAGE, codec.decompress(blob)) for blob in blobs]
    assert sizes == sorted(set(sizes)) and errors == sorted(errors, reverse=True)
    assert [codec.info(blob).quality for blob in blobs] == pytest.approx(
        np.linspace(0, 1, 6), abs=0.01
    )


@pytest.mark.parametrize("effort", [0, 1, 2])
@pytest.mark.parametrize("bpp", [1.0, 2.5])
def test_a_size_is_kept_and_used(model, bpp, effort):
    most = bpp * 70 * 97 / 8
    blob = codec.compress_to(model, IMAGE, bpp, effort=effort)
    # a try with effort guesses how much it will save: far off, for a net that is not trained
    assert (0.75 if effort else 0.95) * most < len(blob) <= most


@pytest.mark.parametrize("bpp", [0.01, Fraction(1, 100)])
def test_a_size_below_all_qualities_is_refused(model, bpp):
    with pytest.raises(
        ValueError, match=r"tiny-own codes this picture in 0\.\d+ to .* not in 0\.01"
    ):
        codec.compress_to(model, IMAGE, bpp)


@pytest.mark.parametrize(
    "wish, error, says",
    [
        ({"quality": 1.1}, ValueError, r"quality must lie in 0\.\.1, got 1\.1"),
        ({"quality": float("nan")}, ValueError, "quality must lie in"),
        ({"importance": 0.5}, ValueError, "no importance map to scale: give a quality"),
        ({"effort": 10}, ValueError, r"effort must be a whole number of 0\.\.9, got 10"),
        ({"effort": 1.5}, ValueError, "effort must be a whole number"),
        ({"effort": 1.0}, ValueError, "effort must be a whole number"),
        ({"roi": disc(70, 98)}, ValueError, "size, 70x97, got 70x98"),
        ({"roi": np.zeros((70, 97), np.uint8)}, ValueError, "black everywhere"),
        ({"roi": np.ones((70, 97))}, TypeError, "roi: expected uint8 pixels"),
        ({"roi": own.scene(70, 97)}, TypeError, "grey uint8 picture"),
        ({"roi": disc(70, 97), "roi_weight": 0.0}, ValueError, "roi_weight"),
        ({"roi": disc(70, 97), "roi_weight": float("nan")}, ValueError, "roi_weight"),
    ],
)
def test_wishes_that_cannot_be_are_refused(model, wish, error, says):
    with pytest.raises(error, match=says):
        codec.compress(model, IMAGE, **wish)


# --- regions -------------------------------------------------------------------------------------


def test_a_white_mask_is_no_mask(model):
    white = np.full((70, 97), 255, np.uint8)
    assert codec.compress(model, IMAGE, roi=white) == codec.compress(model, IMAGE)


def test_what_the_mask_leaves_out_gets_fewer_bits(model):
    image, roi = own.soft(256), disc(256, 256)
    plain = codec.compress(model, image, quality=0.8)
    blob = codec.compress(model, image, quality=0.8, roi=roi, roi_weight=0.8)
    assert len(blob) < 0.75 * len(plain)
    a, b = ((image - codec.decompress(s).astype(float)) ** 2 for s in (plain, blob))
    inside = np.hypot(*(np.mgrid[:256, :256] - 128)) < 60  # and away from the edge
    assert b[inside].mean() < 1.1 * a[inside].mean()
    assert b[roi == 0].mean() > 1.3 * a[roi == 0].mean()


def test_the_mask_travels_in_eighths_of_the_weight(model):
    roi = np.repeat(np.linspace(0, 255, 9).astype(np.uint8), 16)[None].repeat(32, axis=0)
    found = photo.regions(model, roi, 0.5, roi.shape)
    assert found.span == 48 and np.array_equal(found.mask, np.arange(9)[None].repeat(2, axis=0))
    levels = photo.levels(model, 60, found, 4, 12)
    assert levels[0].tolist() == [12, 18, 24, 30, 36, 42, 48, 54, 60, 60, 60, 60]
    assert photo.levels(model, 20, found, 4, 12).min() == 0  # no quality below 0
    again = codec.unpack(model, codec.compress(model, own.scene(32, 144), roi=roi)).regions
    assert again.span == 48 and np.array_equal(again.mask, found.mask)


def test_the_automatic_mask_is_darker_where_the_picture_is_busy():
    image = np.full((32, 48, 3), 90, np.uint8)
    image[:, 16:32] = np.random.default_rng(0).integers(80, 100, (32, 16, 3))
    image[:, 32:] = np.random.default_rng(0).integers(0, 256, (32, 16, 3))
    still, soft, busy = photo.activity_mask(image)[0, [8, 24, 40]].tolist()
    assert still == 255 and still > soft > busy
    assert photo.activity_mask(image[..., 0]).shape == (32, 48)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"symbols": lambda a: a + 2**15}, ValueError, "symbols lie in"),
        ({"values": lambda a: a[:-1]}, ValueError, "values: an image of this shape has"),
        ({"y": lambda a: a.astype(float)}, TypeError, "y: expected whole numbers"),
        ({"level": lambda a: 97}, ValueError, r"level lie in 0\.\.96"),
        ({"regions": lambda a: photo.Regions(np.full((5, 7), 8), 9)}, ValueError, "everywhere"),
        ({"regions": lambda a: photo.Regions(np.eye(7, dtype=int), 9)}, ValueError, "mask of reg"),
        ({"regions": lambda a: photo.Regions(np.eye(5, 7, dtype=int), 0)}, ValueError, "span of"),
    ],
)
def test_latents_that_do_not_fit_are_refused(model, change, error, says):
    (latents,) = codec.analyse(model, IMAGE[None], 0.5)
    wrong = replace(latents, **{k: f(getattr(latents, k)) for k, f in change.items()})
    for step in (codec.pack, lambda m, latents, shape: codec.synthesise(m, [latents], shape)):
        with pytest.raises(error, match=says):
            step(model, wrong, IMAGE.shape)
    with pytest.raises(ValueError, match=r"\(64, 97, 3\)|symbols: an image of this shape"):
        codec.pack(model, latents, (64, 97, 3))
    assert codec.pack(model, latents, IMAGE.shape) == codec.compress(model, IMAGE, quality=0.5)


@pytest.mark.parametrize("bpp", ["1", None, np.ones(2), 0, -1.0, float("nan"), float("inf")])
def test_a_rate_is_a_number_above_0(model, bpp):
    with pytest.raises((TypeError, ValueError), match="bits a pixel"):
        codec.compress_to(model, IMAGE, bpp)


def test_a_rate_beyond_all_measure_gives_the_best_quality(model):
    best = codec.compress(model, IMAGE, quality=1.0)
    assert codec.compress_to(model, IMAGE, 1e306) == best
    assert codec.compress_to(model, IMAGE, np.float32(100)) == best


# --- effort --------------------------------------------------------------------------------------


def cost(model, image, blob, quality):
    lambda_2 = model.net.lambda_2(torch.tensor(round(quality * 96) / 96)).item()
    return metrics.bpp(len(blob), image.shape) + lambda_2 * metrics.mse(
        image, codec.decompress(blob)
    )


@pytest.mark.parametrize("shape", [(128, 192), (70, 97)])
@pytest.mark.parametrize("grey", [False, True], ids=["rgb", "grey"])
def test_more_effort_is_never_worse(model, shape, grey):
    """By what a reader sees: nothing that was padded, and grey as grey."""
    image = own.scene(*shape)
    image = image[..., 1].copy() if grey else image
    blobs = [codec.compress(model, image, quality=0.5, effort=e) for e in (0, 1, 2, 3)]
    found = [cost(model, image, blob, 0.5) for blob in blobs]
    assert found == sorted(found, reverse=True) and found[3] < 0.98 * found[0]


def test_the_same_effort_gives_the_same_stream_and_leaves_the_net_alone(model):
    before = {k: v.clone() for k, v in model.net.state_dict().items()}
    first = codec.compress(model, IMAGE, effort=2, roi=disc(70, 97))
    assert codec.compress(model, IMAGE, effort=2, roi=disc(70, 97)) == first
    assert all(torch.equal(v, before[k]) for k, v in model.net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.net.parameters())


def test_a_search_that_goes_astray_keeps_what_it_had(model, monkeypatch):
    wanted = codec.compress(model, IMAGE, effort=1)
    nowhere = torch.tensor(float("nan"), requires_grad=True)
    monkeypatch.setattr(refine.Picture, "relaxed_cost", lambda *_: nowhere * 1)
    assert codec.compress(model, IMAGE, effort=4) == wanted


def test_an_interrupted_search_gives_no_stream(model, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(refine.Picture, "relaxed_cost", interrupted)
    with pytest.raises(KeyboardInterrupt):
        codec.compress(model, IMAGE, effort=4)


def test_large_pictures_are_refused_where_memory_would_not_do(model, monkeypatch):
    monkeypatch.setattr(refine, "MAX_PIXELS", 5000)
    with pytest.raises(ValueError, match="efforts above 1 take pictures of at most 5000 pixels"):
        codec.compress(model, IMAGE, effort=2)
    codec.compress(model, IMAGE, effort=1)


def test_costs_are_those_of_the_tables():
    bits = refine.costs()
    table, sigma = 30, 2 ** (-3.184424571137427 + 30 * 0.17749878)
    k = np.arange(6)
    density = np.exp(-(k**2) / 2 / sigma**2) / sigma / np.sqrt(2 * np.pi)
    assert bits[table, :6] == pytest.approx(-np.log2(density), abs=0.02)


# --- damage --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(folder) -> list[bytes]:
    """Streams of small pictures, with and without regions."""
    model, image = zoo.load(folder / "tiny-own.safetensors"), own.scene(33, 90)
    return [
        codec.compress(model, image, quality=0.0),
        codec.compress(model, image, quality=1.0),
        codec.compress(model, image, roi=disc(33, 90)),
    ]


@given(st.data())
def test_damage_under_a_right_checksum_is_refused_or_decodes_to_its_size(sound, data):
    kind, body = data.draw(damage.bodies(sound))
    blob = damage.sealed(body)
    try:
        told = codec.info(blob)
        image = codec.decompress(blob, max_pixels=2**14)
    except StreamError as error:
        event(f"{kind}: refused")
        assert str(error) and "\n" not in str(error)
    else:
        event(f"{kind}: decoded")
        assert image.shape[:2] == (told.height, told.width) and 0 <= told.quality <= 1


def resealed(model, blob: bytes, change) -> bytes:
    header, sections = stream.unpack(blob)
    change(sections)
    return stream.pack(model.model_id, header.height, header.width, header.channels, sections)


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda s: s.pop(), "writes 3 or 4 sections, found 2"),
        (lambda s: s.__setitem__(0, b""), "the quality is missing"),
        (lambda s: s.__setitem__(0, b"\xff" + s[0][1:]), "quality is 255 of 96"),
        (lambda s: s.append(b""), "does not begin with their span"),
        (lambda s: s.append(b"\x00\x01"), "does not begin with their span"),
        (lambda s: s.append(b"\x30" + adaptive.encode(np.full(35, 8), 9, order=1)), "everywhere"),
        (lambda s: s.append(b"\x30\xff\xff\xff\xff"), None),
        (lambda s: s.__setitem__(1, s[1] + b"\0\0\0\0"), "rANS code"),
    ],
)
def test_damaged_sections_say_what_is_wrong(model, change, says):
    blob = codec.compress(model, IMAGE)
    with pytest.raises(StreamError, match=says):
        codec.decompress(resealed(model, blob, change))


def test_other_models_have_neither_regions_nor_effort(model, tiny_weights):
    digits = zoo.load(tiny_weights / "tiny-cw1.safetensors")
    for wish in ({"effort": 1}, {"roi": disc(8, 8)}):
        with pytest.raises(ValueError, match="knows neither regions"):
            codec.compress(digits, np.zeros((8, 8), np.uint8), **wish)
