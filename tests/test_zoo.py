"""Trained networks on disk: whole, named by their bytes, never pickled, and as good as reported."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import own
import scenes
import strokes
import tiny
from cwbook import studies
from cwlib import checkpoints, codec, data, evaluate, experiments, metrics, zoo
from cwlib.coding import context, huffman
from cwlib.models import catalogue

TINY = sorted(tiny.EXPERIMENTS)
SHIPPED = zoo.names()
DIGITS = [name for name in SHIPPED if zoo.load(name).experiment.dataset == "mnist"]
PHOTOS = [name for name in SHIPPED if zoo.load(name).experiment.dataset == "photos"]
RESULTS = Path(__file__).resolve().parent.parent / "book" / "results"


@pytest.fixture
def tiny_zoo(tiny_weights, tmp_path, monkeypatch):
    """A zoo of four tiny networks, for this test alone."""
    for path in tiny_weights.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    return tmp_path


def save(net, folder, card=None, digits=None):
    card = {"steps": 1} if card is None else card
    return zoo.save(net, folder, card, strokes.digits(4, 128) if digits is None else digits)


# --- names ---------------------------------------------------------------------------------------


def test_names_are_those_of_the_files_in_order(tiny_zoo):
    assert zoo.names() == ["tiny-cae", "tiny-cw", "tiny-cw1", "tiny-resnet"]
    assert zoo.study_names() == []


def test_a_net_of_a_study_loads_and_decodes_without_being_one_of_the_models(tiny_zoo):
    for path in tiny_zoo.glob("tiny-cw.*"):
        (tiny_zoo / "studies").mkdir(exist_ok=True)
        path.rename(tiny_zoo / "studies" / path.name)
    assert "tiny-cw" not in zoo.names() and zoo.study_names() == ["tiny-cw"]
    model = zoo.load("tiny-cw")
    assert zoo.by_id(model.model_id).name == "tiny-cw"
    digit = strokes.digits(1, 128)[0]
    blob = codec.compress(model, digit)
    assert codec.info(blob).model == "tiny-cw"
    assert codec.decompress(blob).shape == digit.shape
    with pytest.raises(zoo.UnknownModel, match="tiny-cae.*tiny-resnet, tiny-cw$"):
        zoo.load("nope")


@pytest.mark.parametrize("name", ["nope", "", "../tiny-cw/x", "tiny-cw.json"])
def test_an_unknown_name_lists_what_there_is(tiny_zoo, name):
    with pytest.raises(zoo.UnknownModel) as caught:
        zoo.load(name)
    assert all(known in str(caught.value) for known in TINY)


def test_a_name_that_no_file_can_have_is_unknown():
    with pytest.raises(zoo.UnknownModel, match="^unknown model 'nnn"):
        zoo.load("n" * 300)


def test_a_path_loads_weights_from_anywhere(tiny_zoo, tmp_path):
    elsewhere = tmp_path / "else"
    save(tiny.net("tiny-cw"), elsewhere)
    assert zoo.load(elsewhere / "tiny-cw.safetensors").name == "tiny-cw"
    with pytest.raises(zoo.UnknownModel, match="no weights at .*gone.safetensors"):
        zoo.load(elsewhere / "gone.safetensors")


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
def test_a_model_is_read_once_and_again_when_a_file_changes(tiny_zoo, suffix, monkeypatch):
    identity = zoo.load("tiny-cw").model_id
    first = zoo.shared(identity)
    assert zoo.shared(identity) is first
    path = tiny_zoo / f"tiny-cw.{suffix}"
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000))
    assert zoo.shared(identity) is not first


@pytest.mark.parametrize("take", [zoo.load, lambda name: zoo.by_id(zoo.load(name).model_id)])
@pytest.mark.parametrize("name", TINY)
def test_what_a_caller_does_to_a_model_changes_no_decoding(tiny_zoo, name, take):
    digit = strokes.digits(1, 128)[0]
    model = take(name)
    blob = codec.compress(model, digit)
    expected = codec.decompress(blob)
    model.net.train()
    model.net.half()
    model.card.clear()
    for array in vars(model.coder).values():
        if isinstance(array, np.ndarray):
            array.setflags(write=True)
            array[:] = 0
    assert np.array_equal(codec.decompress(blob), expected)
    again = take(name)
    assert not again.net.training and again.card["name"] == name
    assert codec.compress(again, digit) == blob


def test_models_and_latents_are_equal_to_themselves_alone_and_have_a_hash(both_zoo):
    digit, photo = strokes.digits(1, 128), scenes.scene(64, 64)[None]
    for name, images in (("tiny-cw1", digit), ("tiny-photo", photo)):
        model, other = zoo.load(name), zoo.load(name)
        assert model == model and model != other and len({model, other, model}) == 2
        one, same = (codec.analyse(model, images)[0] for _ in range(2))
        assert one == one and one != same and len({one, same, one}) == 2


def test_a_net_in_training_mode_spoils_no_picture_of_the_shipped_models():
    model = zoo.load("mnist-cw")
    blob = codec.compress(model, strokes.digits(1, 128)[0])
    expected = codec.decompress(blob)
    model.net.train()
    assert np.array_equal(codec.decompress(blob), expected)


@pytest.fixture
def all_kinds(both_zoo) -> list[str]:
    """Names of tiny networks of both papers and of ours, none of them read yet."""
    own.save(zoo.WEIGHTS)
    zoo._load.cache_clear()
    return zoo.names()


def test_loading_leaves_the_generator_of_the_caller_alone(all_kinds):
    before = torch.get_rng_state()
    for name in all_kinds:
        zoo.load(name)
    assert torch.equal(torch.get_rng_state(), before)


@contextmanager
def default_dtype(dtype: torch.dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "chosen",
    [
        lambda: default_dtype(torch.float64),
        lambda: default_dtype(torch.float16),
        lambda: torch.device("meta"),
        torch.inference_mode,
        lambda: torch.autocast("cpu"),
        lambda: np.errstate(all="raise"),
    ],
    ids=["float64", "float16", "device", "inference", "autocast", "errstate"],
)
def test_models_are_saved_and_loaded_alike_whatever_the_caller_has_chosen(
    all_kinds, tmp_path, chosen
):
    nets = {name: zoo.load(name) for name in all_kinds}
    zoo._load.cache_clear()
    with chosen():
        for name, model in nets.items():
            again = zoo.load(name)
            same_model(again, model)
            assert {v.device.type for v in again.net.state_dict().values()} == {"cpu"}
            if "huffman.lengths" not in load_file(zoo.WEIGHTS / f"{name}.safetensors"):
                assert zoo.save(again.net, tmp_path / "new", {}).model_id == model.model_id
        built = catalogue.build(nets["tiny-cae"].experiment)
    assert {(v.dtype, v.device.type) for v in built.parameters()} == {(torch.float32, "cpu")}


def same_model(a: zoo.TrainedModel, b: zoo.TrainedModel) -> None:
    """Both decode alike: weights, tables and the settings that say how."""
    assert a.model_id == b.model_id and a.experiment == b.experiment
    weights, others = a.net.state_dict(), b.net.state_dict()
    assert weights.keys() == others.keys()
    for k, v in weights.items():
        assert v.dtype == others[k].dtype and torch.equal(v, others[k])
    assert pickle.dumps(a.coder) == pickle.dumps(b.coder)


# --- identity ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TINY)
def test_the_identity_is_the_beginning_of_the_sha256_of_the_file(tiny_zoo, name):
    digest = hashlib.sha256((tiny_zoo / f"{name}.safetensors").read_bytes()).digest()
    model = zoo.load(name)
    assert model.model_id == digest[:4]
    assert zoo.by_id(digest[:4]).name == name


def test_an_unknown_identity_tells_the_known_ones(tiny_zoo):
    with pytest.raises(zoo.UnknownModel) as caught:
        zoo.by_id(b"\xde\xad\xbe\xef")
    message = str(caught.value)
    assert "deadbeef" in message
    for name in TINY:
        assert f"{name} {zoo.load(name).model_id.hex()}" in message


@pytest.mark.parametrize("folder", [".", "studies"])
def test_two_files_of_one_identity_are_refused(tiny_zoo, monkeypatch, folder):
    identity = zoo.load("tiny-cw").model_id
    (tiny_zoo / folder).mkdir(exist_ok=True)
    forged = tiny_zoo / folder / "forged.safetensors"
    forged.write_bytes((tiny_zoo / "tiny-cw.safetensors").read_bytes())
    with pytest.raises(zoo.UnknownModel) as caught:
        zoo.by_id(identity)
    for name in ("tiny-cw.safetensors", "forged.safetensors", "have the same identity"):
        assert name in str(caught.value)
    with pytest.raises(codec.StreamError, match="have the same identity"):
        codec.decompress(codec.compress(zoo.load("tiny-cw"), strokes.digits(1, 128)[0]))


def test_saving_the_same_net_twice_gives_the_same_bytes(tmp_path):
    for name in TINY:
        a, b = (save(tiny.net(name), tmp_path / k) for k in "ab")
        assert a.model_id == b.model_id


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TINY)
def test_what_is_saved_is_what_is_loaded(tmp_path, name):
    net = tiny.net(name)
    for k, v in net.state_dict().items():
        if "running_" in k:
            v += 200_000 / 3  # more than half precision holds, and no round number
    before = {k: v.clone() for k, v in net.state_dict().items()}
    model = save(net, tmp_path)
    assert not model.net.training
    assert model.experiment == tiny.EXPERIMENTS[name]
    for k, v in model.net.state_dict().items():
        if k.endswith("num_batches_tracked"):
            continue
        # half precision, 11 bits, but for the running statistics and the prior
        full = "running_" in k or k.startswith("prior.")
        torch.testing.assert_close(
            v, before[k], rtol=0 if full else 2**-11, atol=0 if full else 1e-7
        )


@pytest.mark.parametrize("name", TINY)
def test_the_weights_are_in_half_precision_and_no_pickle(tiny_zoo, name):
    path = tiny_zoo / f"{name}.safetensors"
    tensors = load_file(path)
    kernels = [v for k, v in tensors.items() if k.startswith("net.g_a") and v.ndim == 4]
    assert kernels and {v.dtype for v in kernels} == {torch.float16}
    with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError)):
        pickle.loads(path.read_bytes())


def test_loading_never_unpickles(tiny_zoo, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("a pickle is loaded")

    for module, name in ((pickle, "load"), (pickle, "loads"), (torch, "load")):
        monkeypatch.setattr(module, name, forbidden)
    monkeypatch.setattr(pickle, "Unpickler", forbidden)
    zoo._load.cache_clear()
    for name in TINY:
        zoo.load(name)


def test_the_card_goes_there_and_back(tmp_path):
    card = {"command": "cwlib train x", "seconds": 12, "curve": [{"step": 50, "psnr": 20.5}]}
    model = save(tiny.net("tiny-cw1"), tmp_path, card)
    on_disk = json.loads((tmp_path / "tiny-cw1.json").read_text(encoding="utf-8"))
    assert on_disk == model.card
    assert on_disk.items() >= {**card, "name": "tiny-cw1"}.items()
    assert experiments.Experiment(**on_disk["experiment"]) == tiny.EXPERIMENTS["tiny-cw1"]


def test_metrics_are_added_to_the_card_and_nothing_is_lost(tiny_zoo):
    before = json.loads((tiny_zoo / "tiny-cw.json").read_text(encoding="utf-8"))
    identity = zoo.load("tiny-cw").model_id
    for found in ({"bpp": 0.5}, {"bpp": 0.25}):  # a second evaluation replaces the first
        zoo.write_metrics("tiny-cw", found)
        assert json.loads((tiny_zoo / "tiny-cw.json").read_text(encoding="utf-8")) == {
            **before,
            "metrics": found,
        }
    assert zoo.by_id(identity).name == "tiny-cw"  # streams made before still decode


def test_a_full_disk_leaves_what_was_there(tiny_zoo, monkeypatch):
    before = {p.name: p.read_bytes() for p in tiny_zoo.iterdir()}

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(tiny.net("tiny-cw"), tiny_zoo, {"steps": 99})
    assert {p.name: p.read_bytes() for p in tiny_zoo.iterdir()} == before


def flipped(content: bytes, bit: int) -> bytes:
    found = bytearray(content)
    found[bit // 8 % len(found)] ^= 1 << bit % 8
    return bytes(found)


@pytest.mark.parametrize("spoil", [lambda b: b[:-100], lambda b: b"junk" * 100, lambda b: b""])
def test_damaged_weights_are_refused_by_name(tiny_zoo, spoil):
    path = tiny_zoo / "tiny-cw.safetensors"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(
        zoo.UnknownModel, match="does not hold the weights of its card: its SHA-256"
    ):
        zoo.load("tiny-cw")


def test_every_flipped_bit_of_a_weights_file_is_refused(tiny_zoo):
    path = tiny_zoo / "tiny-cae.safetensors"
    content = path.read_bytes()
    for bit in np.random.default_rng(0).integers(0, 8 * len(content), 180):
        path.write_bytes(flipped(content, int(bit)))
        with pytest.raises(zoo.UnknownModel, match="does not hold the weights of its card"):
            zoo.load("tiny-cae")


def seal(path: Path, **changes) -> dict:
    """Put the SHA-256 of weights into their card, with other settings of the experiment."""
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    card["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    card["experiment"] |= changes
    path.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    return card


def put(name: str, value: torch.Tensor | None):
    """tensors -> themselves with another value under a name, or without it."""
    return lambda tensors: {k: v for k, v in {**tensors, name: value}.items() if v is not None}


FIRST = "net.g_a.0.weight"  # (8, 1, 3, 3) or (8, 1, 5, 5)


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("tiny-cae", put(FIRST, None), "g_a.0.weight is only in the net"),
        ("tiny-cae", put("net.more", torch.zeros(3)), "more is only in the file"),
        ("tiny-cae", put(FIRST, torch.zeros(3)), r"float32 \(3,\), not \(8, 1, 3, 3\)"),
        ("tiny-cae", put(FIRST, torch.zeros(8, 1, 3, 3, dtype=torch.int8)), "is torch.int8"),
        ("tiny-cae", put(FIRST, torch.full((8, 1, 3, 3), torch.nan)), "g_a.0.weight has values"),
        ("tiny-cae", put(FIRST, torch.full((8, 1, 3, 3), 1e300, dtype=torch.double)), "not finite"),
        ("tiny-cae", put("huffman.lengths", None), "huffman.lengths"),
        ("tiny-cae", put("huffman.lengths", torch.ones(64, dtype=torch.uint8)), "Kraft"),
        ("tiny-cae", put("huffman.lengths", torch.full((65,), 7)), "not a word for each value"),
        ("tiny-cae", put("huffman.lengths", torch.arange(64) // 60 * 2), "not a word for each"),
        ("tiny-cae", put("huffman.lengths", torch.ones(64)), "code lengths are integers"),
        ("tiny-cae", put("huffman.lengths", torch.ones(64).bfloat16()), "BFloat16"),
        ("tiny-cw1", put("prior.code.w1", torch.zeros(3, 2, 2)), "expected integers"),
        ("tiny-cw1", put("prior.code.w1", torch.tensor(1)), "unsized"),
        ("tiny-photo", put("hyper.sizes", torch.tensor(1)), "expected 8 tables"),
        ("tiny-photo", put("hyper.sizes", torch.zeros(8).int()), "expected 1 to .* intervals"),
        ("tiny-photo", put("hyper.cdfs", torch.zeros(3, 4).int()), "expected 8 tables"),
        ("tiny-own", put("hyper.sizes", torch.ones(5).int()), "expected 4 tables"),
        ("tiny-own", put("units.h_s.0", torch.full((24,), 20).byte()), "too large"),
        ("tiny-own", put("units.h_s.0", torch.full((24,), 200).byte()), "powers of two"),
        ("tiny-own", put("units.h_s.0", torch.zeros(1).byte()), "one for each output channel"),
    ],
)
def test_weights_that_are_not_those_of_the_experiment_are_refused(all_kinds, name, spoil, says):
    path = zoo.WEIGHTS / f"{name}.safetensors"
    save_file(spoil(load_file(path)), path)
    seal(path)
    with pytest.raises(zoo.UnknownModel, match=f"does not hold the weights of its card.*{says}"):
        zoo.load(name)


CRAFTED = """
import json, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_zoo
from cwlib import zoo
path = Path(sys.argv[2])
zoo.load(path)  # what the libraries take is not counted
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for changes in json.loads(sys.argv[3]):
    test_zoo.seal(path, **changes)
    try:
        zoo.load(path)
    except zoo.UnknownModel as error:
        assert "its experiment builds a larger net" in str(error), error
    else:
        raise AssertionError(f"{changes} is loaded")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted otherwise elsewhere")
def test_a_small_card_cannot_ask_for_much_memory(tiny_zoo):
    large = dict(width=4096, channels=4096, units=1000)
    photos = dict(strides=[1, 2, 2, 2], gains=9, lambda_2=2.0, lambda_2_low=1.0, strength_min=0.5)
    asked = [{k: v} for k, v in large.items()]
    asked += [{"model": model, **large, **photos} for model in ("cae", "resnet", "cw", "cw1")]
    asked += [{"model": model, **large, **photos} for model in ("hierarchical", "photo")]
    asked += [{"model": "cw1", "channels": 4096, "width": 2, "units": 1}]
    words = [Path(__file__).parent, tiny_zoo / "tiny-cw.safetensors", json.dumps(asked)]
    done = subprocess.run(
        [sys.executable, "-c", CRAFTED, *words], capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 64  # MiB


@pytest.mark.parametrize(
    ("entry", "of_what"), [("sha256", "weights"), ("experiment_sha256", "experiment")]
)
def test_a_card_without_a_checksum_is_refused_with_what_to_do(tiny_zoo, entry, of_what):
    path = tiny_zoo / "tiny-cw.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    digest = card.pop(entry)
    path.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(zoo.UnknownModel) as caught:
        zoo.load("tiny-cw")
    assert f"tiny-cw.json lacks the SHA-256 of its {of_what}" in str(caught.value)
    assert f'"{entry}": "{digest}"' in str(caught.value)


@pytest.mark.parametrize(
    ("name", "changes"), [("tiny-cw", {"reading": "ceil"}), ("tiny-photo", {"lambda_2": 0.5})]
)
def test_settings_that_fit_the_weights_and_are_not_theirs_are_refused(both_zoo, name, changes):
    seal(zoo.WEIGHTS / f"{name}.safetensors", **changes)
    with pytest.raises(zoo.UnknownModel, match="does not hold the settings .* fetch both again"):
        zoo.load(name)


@pytest.mark.parametrize("name", [*SHIPPED, *zoo.study_names()])
def test_a_shipped_card_holds_the_checksum_of_its_weights(name):
    path = zoo._path(name)
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


NO_CARDS = [
    *("", "[]", "{}", "3", '{"name": "x"}', "\xff", "null", '{"name": "x", "experiment": 7}'),
    '{"name": "x", "experiment": {"nope": 1}}',
    '{"experiment": ' * 100_000,
    "[" * 100_000,
    " " * 2**20 + "{}",
]


@pytest.mark.parametrize("card", NO_CARDS, ids=range(len(NO_CARDS)))
def test_a_damaged_card_is_refused_by_name(tiny_zoo, card):
    (tiny_zoo / "tiny-cw.json").write_bytes(card.encode("latin-1"))
    with pytest.raises(zoo.UnknownModel, match="tiny-cw.json is not a readable card"):
        zoo.load("tiny-cw")


def test_weights_without_a_card_are_refused(tiny_zoo):
    (tiny_zoo / "tiny-cw.json").unlink()
    with pytest.raises(zoo.UnknownModel, match="tiny-cw.json is not a readable card"):
        zoo.load("tiny-cw")


VALUES = st.sampled_from(
    [None, True, -1, 0, 1, 3000, 10**30, 1e308, float("nan"), float("-inf"), "", "x" * 999]
    + ["../x", "\x1b[2J", "cw", "photo", [], {}, [[[]]], {"a": {"b": []}}, [1, 2, 2, 2]]
)


@st.composite
def crafted(draw, card: dict, weights: bytes) -> tuple[bytes, bytes]:
    """A card and weights that somebody has worked on, or whose bits a disk has flipped."""
    card = json.loads(json.dumps(card))
    for _ in range(draw(st.integers(0, 2))):
        entries = draw(
            st.sampled_from([card, card["experiment"]] if "experiment" in card else [card])
        )
        if not isinstance(entries, dict) or not entries:
            break
        key = draw(st.sampled_from(sorted(entries)))
        if draw(st.booleans()):
            del entries[key]
        else:
            entries[draw(st.just(key) | st.just("new"))] = draw(VALUES)
    header = int.from_bytes(weights[:8], "little") + 8
    for _ in range(draw(st.integers(0, 2))):  # most of the bits are weights, and most faults not
        weights = flipped(
            weights, draw(st.integers(0, 8 * draw(st.just(header) | st.just(len(weights))) - 1))
        )
    weights = weights[: draw(st.just(len(weights)) | st.integers(0, len(weights)))]
    if draw(st.booleans()) and "sha256" in card:
        card["sha256"] = hashlib.sha256(weights).hexdigest()
    text = json.dumps(card).encode()
    if draw(st.booleans()):
        text = flipped(text, draw(st.integers(0, 8 * len(text) - 1)))
    return text, weights


@pytest.mark.parametrize("name", ["tiny-cw1", "tiny-photo", "tiny-own"])
@given(data=st.data())
@settings(max_examples=100)
def test_crafted_files_are_refused_as_unknown_or_give_the_model(name, data, crafted_from):
    folder = crafted_from / name
    original = zoo.load(folder / f"{name}.safetensors")
    weights = (folder / f"{name}.safetensors").read_bytes()
    text, changed = data.draw(crafted(original.card, weights))
    path = Path(tempfile.mkdtemp(dir=folder)) / f"{name}.safetensors"
    path.with_suffix(".json").write_bytes(text)
    path.write_bytes(changed)
    try:
        found = zoo.load(path)
    except zoo.UnknownModel as error:
        assert len(str(error)) < 1000
        return
    assert found.experiment == experiments.from_card(json.loads(text)["experiment"])
    assert all(v.isfinite().all() for v in found.net.state_dict().values())
    if changed == weights and found.experiment.reading == original.experiment.reading:
        assert found.model_id == original.model_id
        assert found.net.state_dict().keys() == original.net.state_dict().keys()
        for k, v in found.net.state_dict().items():
            assert torch.equal(v, original.net.state_dict()[k])
        assert pickle.dumps(found.coder) == pickle.dumps(original.coder)


@pytest.fixture(scope="module")
def crafted_from(tmp_path_factory):
    where = tmp_path_factory.mktemp("crafted")
    save(tiny.net("tiny-cw1"), where / "tiny-cw1")
    zoo.save(tiny.photo_net("tiny-photo"), where / "tiny-photo", {})
    own.save(where / "tiny-own")
    return where


# --- coders --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TINY)
def test_each_model_has_the_coder_of_its_kind_and_can_code_every_value(tiny_zoo, name):
    coder = zoo.load(name).coder
    if name == "tiny-cw1":
        assert isinstance(coder, context.Coder) and coder.kept == (0, 2, 4, 6)
    else:
        assert isinstance(coder, huffman.Code)
        assert coder.lengths.size == 64 and coder.lengths.min() >= 1


def test_the_huffman_code_is_learnt_from_the_digits(tmp_path):
    net, digits = tiny.net("tiny-resnet"), strokes.digits(6, 128)
    model = save(net, tmp_path, digits=digits)
    with torch.no_grad():
        z = model.net.analyse(torch.from_numpy(digits)[:, None].float() / 255)[0]
    counts = np.bincount(np.minimum((z.numpy() * 64).astype(int), 63).ravel(), minlength=64)
    used = counts / counts.sum()
    entropy = -(used[used > 0] * np.log2(used[used > 0])).sum()
    assert entropy <= used @ model.coder.lengths <= entropy + 0.1


# --- what is shipped -----------------------------------------------------------------------------


def full_evaluation(name: str) -> list[dict]:
    """Records of `cwlib eval NAME` over the whole test set; every shipped model must have them."""
    file, command = "mnist.json", f"cwlib eval {name}"
    if name in PHOTOS:
        file, command = "kodak.json", f"cwlib eval {name} --data kodak"
    path = RESULTS / file
    rows = json.loads(path.read_text(encoding="utf-8"))["records"] if path.exists() else []
    rows = [r for r in rows if r["command"] == command and r["experiment"] == name]
    # a model of many rates is measured at several: here at the usual quality
    rows = [r for r in rows if r.get("kind") != "one-setting" or r["quality"] == 0.5]
    assert rows, f"{name} is shipped without `{command} --out book/results/{file}`"
    return rows


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_small_complete_and_sound(name):
    path = zoo.WEIGHTS / f"{name}.safetensors"
    assert path.stat().st_size <= 12 * 2**20
    model = zoo.load(name)
    assert model.name == model.experiment.name == name
    for tensor in model.net.state_dict().values():
        assert tensor.isfinite().all()
    wanted = {"command", "data", "seed", "steps", "seconds", "device", "torch", "curve"}
    assert wanted <= set(model.card)
    assert name in model.card["command"]


def test_the_shipped_models_have_different_identities():
    assert len({zoo.load(name).model_id for name in SHIPPED}) == len(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_models_card_has_the_evaluation_of_the_results_file(name):
    mean = next(r for r in full_evaluation(name) if r["image"] == "mean")
    metrics = json.loads((zoo.WEIGHTS / f"{name}.json").read_text(encoding="utf-8")).get(
        "metrics", {}
    )
    for key in ("bpp", "mse", "psnr"):
        assert metrics.get(key) == mean[key]


@pytest.mark.parametrize("name", DIGITS)
def test_a_shipped_model_does_on_the_first_digits_what_the_results_file_says(mnist_test, name):
    single = [r for r in full_evaluation(name) if r["image"] != "mean"]
    model = zoo.load(name)
    images = data.resize_digits(mnist_test[0][:50])  # the evaluation's batch
    latents = codec.analyse(model, images)
    assert len(single) == 10
    for row in single:
        k = row["image"]
        blob = codec.pack(model, latents[k], images[k].shape)
        found = codec.decompress(blob).astype(float)
        # another machine's floats may move a value or two out of 1024 into the next bin
        assert 8 * len(blob) / images[k].size == pytest.approx(row["bpp"], abs=2e-3)
        error = ((found - images[k]) ** 2).mean()
        assert 10 * np.log10(255**2 / error) == pytest.approx(row["psnr"], abs=0.1)


@pytest.mark.parametrize("name", PHOTOS)
def test_a_shipped_model_does_on_two_photographs_what_the_results_file_says(kodak_images, name):
    single = {r["image"]: r for r in full_evaluation(name) if r["image"] != "mean"}
    assert set(single) == set(range(1, 25))
    for k in (5, 20):
        image = kodak_images[k - 1]
        blob = codec.compress(zoo.load(name), image)
        error = ((codec.decompress(blob).astype(float) - image) ** 2).mean()
        assert 8 * len(blob) / (768 * 512) == pytest.approx(single[k]["bpp"], rel=2e-3)
        assert 10 * np.log10(255**2 / error) == pytest.approx(single[k]["psnr"], abs=0.02)


@pytest.mark.parametrize("name", zoo.study_names())
def test_a_net_of_a_study_is_small_and_finished_and_its_name_is_its_own(name):
    path = zoo.WEIGHTS / zoo.STUDIES / f"{name}.safetensors"
    assert path.stat().st_size <= 2**20
    assert name not in SHIPPED
    model = zoo.load(name)
    assert model.name == name
    settings = asdict(model.experiment)
    assert checkpoints.changed_settings(settings, studies.get(name)) == []
    assert model.card["seed"] == 0 and model.card["steps"] == model.experiment.steps


@pytest.mark.parametrize("name", [n for n in zoo.study_names() if n.startswith("tiny-")])
def test_a_net_of_a_study_of_digits_does_what_the_results_file_says(mnist_test, name):
    rows = json.loads((RESULTS / "ablations.json").read_text(encoding="utf-8"))["records"]
    wanted = next(r for r in rows if r["experiment"] == name and r["seed"] == 0)
    test = evaluate.pictures("mnist", 100)
    found = evaluate.as_trained(name, test, progress=False)[0]
    # a hundred digits of the five hundred
    assert found["bpp"] == pytest.approx(wanted["bpp"], rel=0.06)
    assert found["psnr"] == pytest.approx(wanted["psnr"], abs=0.5)


@pytest.mark.parametrize("name", [n for n in zoo.study_names() if n.startswith("small-")])
def test_a_net_of_a_study_of_photographs_does_what_the_results_file_says(kodak_images, name):
    rows = json.loads((RESULTS / "ablations.json").read_text(encoding="utf-8"))["records"]
    wanted = next(r for r in rows if r["experiment"] == name and r["seed"] == 0)
    model = zoo.load(name)
    rates, qualities = [], []
    for image in kodak_images:
        blob = codec.compress(model, image)
        rates.append(metrics.bpp(len(blob), image.shape))
        qualities.append(metrics.psnr(image, codec.decompress(blob)))
    assert np.mean(rates) == pytest.approx(wanted["bpp"], rel=1e-3)
    assert np.mean(qualities) == pytest.approx(wanted["psnr"], abs=0.01)


# --- models of photographs -----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(tiny.PHOTO_EXPERIMENTS))
def test_a_model_of_photographs_is_loaded_as_it_was_saved(tmp_path, name):
    net = tiny.photo_net(name)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    model = zoo.save(net, tmp_path, {"steps": 1})
    assert not model.net.training and model.experiment == tiny.PHOTO_EXPERIMENTS[name]
    assert model.net.state_dict().keys() == before.keys()
    for k, v in model.net.state_dict().items():  # half precision: 11 bits
        torch.testing.assert_close(v, before[k], rtol=2**-11, atol=1e-7)
    again = zoo.save(tiny.photo_net(name), tmp_path / "again", {"steps": 2})
    assert again.model_id == model.model_id  # the card is not part of it


def test_the_tables_of_a_model_are_in_its_file_and_not_made_anew(tmp_path):
    # What a library's sigmoid gives may differ in its last bit from machine to machine.
    path = tmp_path / "tiny-photo.safetensors"
    tables = zoo.save(tiny.photo_net("tiny-photo"), tmp_path, {}).coder.hyper_tables
    tensors = load_file(path)
    tensors["hyper.offsets"] += 1
    save_file(tensors, path)
    seal(path)
    changed = zoo.load(path).coder.hyper_tables
    assert np.array_equal(changed.cdfs, tables.cdfs)
    assert np.array_equal(changed.offsets, tables.offsets + 1)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda net: net.g_a.convs[0].weight[0].fill_(float("nan")), "a weight is not finite"),
        (lambda net: net.g_s.deconvs[0].weight[0].fill_(1e6), "above the 65504"),
        (lambda net: net.h_s[2].weight.fill_(60_000), r"sums could reach 2\^53"),
    ],
)
def test_what_could_not_be_loaded_again_is_not_written(tmp_path, spoil, says):
    net = tiny.photo_net("tiny-photo")
    with torch.no_grad():
        spoil(net)
    with pytest.raises(ValueError, match=says):
        zoo.save(net, tmp_path, {})
    assert not list(tmp_path.iterdir())
