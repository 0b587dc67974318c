"""Photographs to bytes and back: any size, grey or colour, in stripes, elsewhere, and damaged."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st

import damage
import scenes
import tiny
from cwlib import StreamError, codec, zoo
from cwlib.codec import photos
from cwlib.coding import stream

TINY = sorted(tiny.PHOTO_EXPERIMENTS)
WEIGHTS = zoo.WEIGHTS
SHIPPED = [name for name in zoo.names() if zoo.load(name).net.codec == "photos"]
SIZES = [(1, 1), (3, 200), (17, 33), (32, 64), (95, 31)]


@pytest.fixture(autouse=True)
def tiny_zoo(tiny_photo_weights, monkeypatch):
    """A zoo of the tiny networks of paper 2 and nothing else."""
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_photo_weights)


def grey(height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(scenes.scene(height, width)[..., 1])


def padded(image: np.ndarray) -> torch.Tensor:
    """(1, 3, H32, W32) in [0, 1], the last row and column repeated: by NumPy, not by the codec."""
    colour = np.stack([image] * 3, axis=2) if image.ndim == 2 else image
    sides = [(0, -s % 32) for s in image.shape[:2]]
    return (
        torch.from_numpy(np.pad(colour, [*sides, (0, 0)], mode="edge").transpose(2, 0, 1))[None]
        .float()
        .div(255)
    )


def same_but_for_ties(found: np.ndarray, wanted: np.ndarray) -> bool:
    """Rounded values that differ by at most 1, and hardly ever: x.5 in floats."""
    return np.abs(found - wanted).max() <= 1 and (found != wanted).mean() < 0.005


# --- there and back ------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [scenes.scene, grey], ids=["rgb", "grey"])
@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("name", TINY)
def test_any_size_comes_back_as_the_networks_made_it(name, shape, make):
    model, image = zoo.load(name), make(*shape)
    blob = codec.compress(model, image)
    found = codec.decompress(blob)
    assert found.shape == image.shape and found.dtype == np.uint8
    with torch.no_grad():
        out = model.net(padded(image))  # in eval mode the model itself rounds
    latents = codec.unpack(model, blob)
    assert same_but_for_ties(latents.z, out.z_hat[0].numpy())
    x_hat = out.x_hat[0, :, : shape[0], : shape[1]].numpy().astype(float).transpose(1, 2, 0)
    wanted = np.clip(255 * (x_hat.mean(2) if image.ndim == 2 else x_hat), 0, 255)
    if np.array_equal(latents.z, out.z_hat[0].numpy()):
        assert np.abs(found - wanted).max() <= 0.51


@pytest.mark.parametrize("shape", [(1, 1), (17, 33)])
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_take_odd_sizes(name, shape, monkeypatch):
    monkeypatch.setattr(zoo, "WEIGHTS", WEIGHTS)
    model = zoo.load(name)
    for image in (scenes.scene(*shape), grey(*shape)):
        latents = codec.analyse(model, image[None])[0]
        blob = codec.compress(model, image)
        found = codec.unpack(model, blob)
        assert np.array_equal(found.z, latents.z) and np.array_equal(found.y, latents.y)
        assert codec.decompress(blob).shape == image.shape


@pytest.mark.parametrize("name", SHIPPED)
def test_a_photograph_comes_back_and_looks_like_itself(name, kodak_images, monkeypatch):
    monkeypatch.setattr(zoo, "WEIGHTS", WEIGHTS)
    image = kodak_images[4][100:228, 200:392]
    for picture in (image, image[..., 1]):
        found = codec.decompress(codec.compress(zoo.load(name), picture)).astype(float)
        # the model of the lowest rate leaves an eighth; another picture would leave twice the whole
        assert ((found - picture) ** 2).mean() < 0.2 * picture.astype(float).var()


def test_a_grey_picture_is_the_colour_picture_of_three_equal_planes():
    model, image = zoo.load("tiny-photo"), grey(40, 50)
    one, three = codec.compress(model, image), codec.compress(model, np.stack([image] * 3, axis=2))
    assert codec.info(one).channels == 1 and codec.info(three).channels == 3
    assert len(one) == len(three) and stream.unpack(one)[1] == stream.unpack(three)[1]
    colour = codec.decompress(three).astype(float)
    inside = ((colour > 0) & (colour < 255)).all(axis=2)  # clipping comes after the mean
    assert inside.mean() > 0.9
    assert np.abs(codec.decompress(one) - colour.mean(axis=2))[inside].max() <= 1


def test_a_batch_is_its_pictures_one_by_one():
    model = zoo.load("tiny-photo")
    images = np.stack([scenes.scene(40, 70, seed) for seed in range(3)])
    together = codec.analyse(model, images)
    for image, latents in zip(images, together, strict=True):
        assert np.array_equal(latents.z, codec.analyse(model, image[None])[0].z)
    pictures = codec.synthesise(model, together, images.shape[1:])
    assert pictures.shape == images.shape
    for picture, latents in zip(pictures, together, strict=True):
        assert np.array_equal(picture, codec.synthesise(model, [latents], picture.shape)[0])


@pytest.mark.filterwarnings("error")
def test_any_layout_in_memory_gives_the_same_bytes_and_the_image_is_left_alone():
    model, image = zoo.load("tiny-photo"), scenes.scene(40, 70)
    for view in (image[::-1, ::2], image.transpose(1, 0, 2), np.asfortranarray(image)):
        view.setflags(write=False)
        before = view.copy()
        assert codec.compress(model, view) == codec.compress(model, np.ascontiguousarray(view))
        assert np.array_equal(view, before)


def test_the_header_of_a_photograph_is_at_most_20_bytes():
    told = codec.info(codec.compress(zoo.load("tiny-photo"), scenes.scene(200, 300)))
    assert (told.model, told.height, told.width, told.channels) == ("tiny-photo", 200, 300, 3)
    assert told.n_bytes - sum(told.section_bytes) <= 20


# --- importance ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny-photo", "tiny-photo-wide"])
def test_less_importance_costs_fewer_bytes(name):
    model, image = zoo.load(name), scenes.scene(150, 210)
    steps = np.linspace(0, 1, 9)
    sizes = np.array([len(codec.compress(model, image, step)) for step in steps])
    assert (np.diff(sizes) >= -0.01 * sizes[-1]).all()
    assert sizes[0] < 0.2 * sizes[-1] and sizes[4] < 0.9 * sizes[-1]


def test_importance_zero_keeps_nothing_and_still_decodes():
    model, image = zoo.load("tiny-photo"), scenes.scene(33, 65)
    blob = codec.compress(model, image, importance=0.0)
    assert not codec.unpack(model, blob).z.any()
    assert codec.decompress(blob).shape == image.shape


def test_importance_one_is_as_trained():
    model, image = zoo.load("tiny-photo"), scenes.scene(33, 65)
    assert codec.compress(model, image, 1.0) == codec.compress(model, image)


def test_a_stream_of_any_mask_decodes_although_nobody_sends_the_mask():
    model, image = zoo.load("tiny-photo"), scenes.scene(33, 65)
    z = photos.transform(model, image)
    first = torch.zeros(1, z.shape[1], 1, 1)
    first[:, :2] = 1
    latents = photos.quantise(model, z, m=first)
    assert latents.z[:2].any() and not latents.z[2:].any()
    blob = codec.pack(model, latents, image.shape)
    assert codec.decompress(blob).shape == image.shape
    np.testing.assert_array_equal(codec.unpack(model, blob).z, latents.z)


@pytest.mark.parametrize("importance", [-0.1, 1.01, float("nan")])
def test_importance_outside_0_to_1_is_refused(importance):
    with pytest.raises(ValueError, match=r"importance must lie in 0\.\.1"):
        codec.compress(zoo.load("tiny-photo"), scenes.scene(8, 8), importance)


def test_a_model_without_a_map_refuses_to_scale_it():
    with pytest.raises(ValueError, match="tiny-photo-m has no importance map"):
        codec.compress(zoo.load("tiny-photo-m"), scenes.scene(8, 8), 0.5)


# --- stripes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(320, 40), (31, 300), (190, 224)])
@pytest.mark.parametrize("name", TINY)
def test_stripes_give_what_the_whole_gives(name, shape, monkeypatch):
    model, image = zoo.load(name), scenes.scene(*shape)
    x, net = padded(image), model.net
    with torch.no_grad():
        z = net.g_a(x)
        x_hat = net.g_s(z.round())
        wanted = codec.analyse(model, image[None])[0]
        picture = codec.synthesise(model, [wanted], shape + (3,))[0]
        for pixels in (1, 96 * 200):
            monkeypatch.setattr(photos, "STRIPE_PIXELS", pixels)
            torch.testing.assert_close(photos.in_stripes(net.g_a, x, 1 / 8), z, rtol=0, atol=1e-3)
            back = photos.in_stripes(net.g_s, z.round(), 8)
            torch.testing.assert_close(back, x_hat, rtol=0, atol=1e-4)
            found = codec.analyse(model, image[None])[0]
            assert same_but_for_ties(found.z, wanted.z) and same_but_for_ties(found.y, wanted.y)
            again = codec.synthesise(model, [wanted], shape + (3,))[0].astype(int)
            assert np.abs(again - picture).max() <= 1


def test_no_stripe_is_larger_than_it_may_be_and_none_is_lost(monkeypatch):
    monkeypatch.setattr(photos, "STRIPE_PIXELS", 128 * 96)
    for h, w, scale in ((640, 96, 1 / 8), (96, 640, 1 / 8), (80, 12, 8), (12, 80, 8)):
        seen = []

        def look(t, scale=scale, seen=seen):
            seen.append(t.shape[2] * t.shape[3] * max(1, scale) ** 2)
            return (
                t.repeat_interleave(8, 2).repeat_interleave(8, 3)
                if scale > 1
                else (t[:, :, ::8, ::8])
            )

        t = torch.arange(h * w, dtype=torch.float64).view(1, 1, h, w)
        assert torch.equal(photos.in_stripes(look, t, scale), look(t))
        assert len(seen[:-1]) == 5 and max(seen[:-1]) <= 128 * 96 + 2 * photos.HALO * 96


@pytest.mark.parametrize("name", TINY)
def test_no_network_reaches_further_than_a_stripe_sees(name):
    net = zoo.load(name).net
    x = padded(scenes.scene(224, 32)).requires_grad_()
    z = net.g_a(x)
    z[0, :, 14].sum().backward()  # the row of latents at pixels 112 ... 119
    rows = torch.nonzero(x.grad.abs().sum(dim=(0, 1, 3)))[:, 0]
    assert 112 - photos.HALO <= rows.min() < 112 and 119 < rows.max() < 120 + photos.HALO

    z = z.detach().round().requires_grad_()
    net.g_s(z)[0, :, 112:120].sum().backward()
    rows = torch.nonzero(z.grad.abs().sum(dim=(0, 1, 3)))[:, 0]
    reach = photos.HALO // 8
    assert 14 - reach <= rows.min() < 14 < rows.max() <= 14 + reach


@pytest.mark.parametrize("make", [scenes.scene, grey], ids=["rgb", "grey"])
def test_whoever_watches_sees_the_stripes_and_changes_nothing(make, monkeypatch):
    monkeypatch.setattr(photos, "STRIPE_PIXELS", 64 * 96)
    model, image, seen = zoo.load("tiny-photo"), make(300, 90), []

    def watch(stripes):
        seen.append(len(stripes))
        return stripes

    blob = codec.compress(model, image, watch=watch)
    assert blob == codec.compress(model, image)
    found = codec.decompress(blob, watch=watch)
    assert np.array_equal(found, codec.decompress(blob))
    assert seen == [5, 5]  # 320 rows, 64 in a stripe


def test_small_pictures_have_no_stripes_to_watch():
    codec.compress(zoo.load("tiny-photo"), scenes.scene(40, 50), watch=None)  # never called


MEMORY = """
import pathlib, resource, sys
import numpy as np
from cwlib import codec, zoo
from cwlib.codec import photos
zoo.WEIGHTS = pathlib.Path(sys.argv[1])
photos.STRIPE_PIXELS = 2**17
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = zoo.load("tiny-photo")
image = np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (8, 2048, 3))
codec.decompress(codec.compress(model, image[:512, :512]))
before = peak()
if sys.argv[2] == "there":
    latents = codec.analyse(model, image[None])
else:
    latents = photos.Latents(np.zeros((11, 256, 256), int), np.zeros((8, 64, 64), int))
    codec.synthesise(model, [latents], image.shape)
print((peak() - before) * (1 if sys.platform == "darwin" else 1024) / image[..., 0].size)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a process's peak memory")
@pytest.mark.parametrize("way", ["there", "back"])
def test_no_picture_is_held_in_floats(tiny_photo_weights, way):
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, tiny_photo_weights, way],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    # 3 bytes a pixel are the picture, padded or in parts; as floats it would be 12 more, twice
    assert float(done.stdout) < 20


# --- other machines ------------------------------------------------------------------------------

CHILD = """
import hashlib, pathlib, sys
import torch
torch.set_num_threads(2)
from cwlib import codec, zoo
zoo.WEIGHTS = pathlib.Path(sys.argv[1])
for path in sys.argv[2:]:
    blob = pathlib.Path(path).read_bytes()
    found = codec.unpack(zoo.load(codec.info(blob).model), blob)
    print(hashlib.sha256(found.z.tobytes() + found.y.tobytes()).hexdigest())
"""


def test_another_process_with_other_threads_decodes_the_same_symbols(
    tiny_photo_weights, tmp_path, monkeypatch
):
    for weights in (tiny_photo_weights, WEIGHTS):
        for path in weights.glob("*.*"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        wanted, paths = [], []
        for name in TINY + SHIPPED:
            model, image = zoo.load(name), scenes.scene(200, 270)
            latents = codec.analyse(model, image[None])[0]
            paths.append(tmp_path / f"{name}.cwc")
            paths[-1].write_bytes(codec.pack(model, latents, image.shape))
            wanted.append(hashlib.sha256(latents.z.tobytes() + latents.y.tobytes()).hexdigest())
    finally:
        torch.set_num_threads(threads)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path, *paths],
        env={**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == wanted


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA GPU here")
@pytest.mark.parametrize("name", TINY)
def test_what_a_gpu_encodes_the_cpu_decodes(name):
    model, image = zoo.load(name), scenes.scene(200, 270)
    there = replace(model, net=copy.deepcopy(model.net).cuda())
    latents = codec.analyse(there, image[None])[0]
    blob = codec.pack(there, latents, image.shape)
    found = codec.unpack(model, blob)
    assert np.array_equal(found.z, latents.z) and np.array_equal(found.y, latents.y)
    on_cpu = codec.decompress(blob).astype(int)
    on_gpu = codec.synthesise(there, [found], image.shape)[0]
    assert np.abs(on_cpu - on_gpu).max() <= 2  # convolutions in TF32


# --- what is not taken ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "error", "says"),
    [
        (np.zeros((8, 8, 4), np.uint8), ValueError, r"got 4 \(RGBA\).*pass image\[..., :3\]"),
        (np.zeros((8, 8, 3)), TypeError, "uint8 pixels in 0..255, got float64"),
        (np.zeros((8, 8, 3), np.uint16), TypeError, "uint16"),
        (np.zeros((0, 8, 3), np.uint8), ValueError, r"at least 1x1, got shape \(0, 8, 3\)"),
        (np.zeros((8, 0), np.uint8), ValueError, "at least 1x1"),
        (np.zeros((8, 8, 1), np.uint8), ValueError, r"\(H, W\) or \(H, W, 3\)"),
        (np.zeros((8, 8, 2), np.uint8), ValueError, r"\(8, 8, 2\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), ValueError, r"\(2, 8, 8, 3\)"),
        (np.zeros(8, np.uint8), ValueError, r"\(8,\)"),
        ("photo.jpg", TypeError, "uint8"),
        (np.broadcast_to(np.uint8(0), (2**13, 2**13 + 1, 3)), ValueError, "8192x8193 is over"),
        (np.broadcast_to(np.uint8(0), (1, 2**22)), ValueError, "1x4194304 is over 67108864"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_sentence(image, error, says):
    with pytest.raises(error, match=says) as caught:
        codec.compress(zoo.load("tiny-photo"), image)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "shape", "error", "says"),
    [
        ({}, (64, 65, 3), ValueError, r"z: .* \(11, 8, 12\), got \(11, 8, 8\)"),
        ({}, (40, 33, 1), ValueError, r"shape: .*got \(40, 33, 1\)"),
        ({"y": lambda a: a[1:]}, (40, 33, 3), ValueError, r"y: .* \(8, 2, 2\), got \(7, 2, 2\)"),
        ({"z": lambda a: a / 2}, (40, 33, 3), TypeError, "z: expected whole numbers, got float64"),
        ({"z": lambda a: a + 2**31}, (40, 33, 3), ValueError, "z lie in"),
        ({"level": lambda a: 256}, (40, 33, 3), ValueError, r"level lie in 0\.\.255"),
        ({"level": lambda a: 0.5}, (40, 33, 3), TypeError, "level: expected whole numbers"),
    ],
)
def test_latents_that_do_not_fit_are_refused(change, shape, error, says):
    model = zoo.load("tiny-photo")
    (latents,) = codec.analyse(model, scenes.scene(40, 33)[None])
    wrong = replace(latents, **{k: f(getattr(latents, k)) for k, f in change.items()})
    for step in (codec.pack, lambda m, latents, shape: codec.synthesise(m, [latents], shape)):
        with pytest.raises(error, match=says):
            step(model, wrong, shape)


def test_one_picture_in_place_of_several_is_not_taken_for_grey_strips():
    image = scenes.scene(16, 24)
    with pytest.raises(ValueError, match=r"\(16, 24, 3\): pass image\[None\]"):
        codec.analyse(zoo.load("tiny-photo"), image)


def test_a_stream_of_another_model_is_refused():
    blob = codec.compress(zoo.load("tiny-photo"), scenes.scene(16, 16))
    with pytest.raises(StreamError, match="not by tiny-photo-wide"):
        codec.unpack(zoo.load("tiny-photo-wide"), blob)
    with pytest.raises(StreamError, match="no model here has the identity deadbeef"):
        codec.decompress(stream.pack(b"\xde\xad\xbe\xef", 8, 8, 3, [b"", b""]))


@pytest.mark.parametrize("sections", [[], [b"a"], [b"a", b"b", b"c"]])
def test_another_number_of_sections_is_refused(sections):
    model = zoo.load("tiny-photo")
    with pytest.raises(StreamError, match=f"writes 2 sections, found {len(sections)}"):
        codec.decompress(stream.pack(model.model_id, 8, 8, 3, sections))


# --- damage --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blobs(tiny_photo_weights) -> list[bytes]:
    """Sound streams of all tiny models."""
    models = [zoo.load(tiny_photo_weights / f"{name}.safetensors") for name in TINY]
    pictures = [scenes.scene(1, 1), scenes.scene(40, 33), grey(24, 70)]
    return [codec.compress(model, picture) for model in models for picture in pictures]


@settings(max_examples=400)
@given(st.data())
def test_damage_under_a_right_checksum_is_refused_or_decodes_to_the_size_in_the_header(blobs, data):
    blob = damage.sealed(data.draw(damage.bodies(blobs))[1])
    try:
        image = codec.decompress(blob, max_pixels=2**12)
    except StreamError as error:
        assert str(error) and "\n" not in str(error)
        event("refused")
    else:
        header = stream.read_header(blob)
        colours = (3,) if header.channels == 3 else ()
        assert image.shape == (header.height, header.width, *colours) and image.dtype == np.uint8
        event("decoded")


def test_every_truncation_is_refused(blobs):
    blob = min(blobs, key=len)
    for size in range(len(blob)):
        with pytest.raises(StreamError):
            codec.decompress(blob[:size])


@pytest.mark.filterwarnings("error")
def test_latents_that_no_encoder_makes_give_a_picture_or_a_stream_error():
    model = zoo.load("tiny-photo")
    latents = codec.analyse(model, scenes.scene(40, 33)[None])[0]
    for value in (2**29, -(2**29)):
        wild = photos.Latents(np.full_like(latents.z, value), np.full_like(latents.y, value))
        blob = codec.pack(model, wild, (40, 33, 3))
        with contextlib.suppress(StreamError):  # pixels that are no numbers
            image = codec.decompress(blob)
            assert image.shape == (40, 33, 3) and image.dtype == np.uint8


@pytest.mark.parametrize(("height", "width"), [(2**26 + 1, 1), (1, 2**22), (2**32 - 1, 2**32 - 1)])
def test_a_stream_that_claims_too_many_pixels_is_refused_before_any_work(
    height, width, monkeypatch
):
    monkeypatch.setattr(photos, "from_sections", None)  # would be a TypeError
    blob = stream.pack(zoo.load("tiny-photo").model_id, height, width, 3, [b"", b""])
    with pytest.raises(StreamError, match="more than the limit of 4194304"):
        codec.decompress(blob)
