"""Records: means by closed forms, the paper's accounting by a textbook, files whole or not."""

from __future__ import annotations

import errno
import heapq
import itertools
import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import strokes
import tiny
from cwbook import results
from cwlib import baselines, codec, data, evaluation, experiments, zoo
from cwlib.evaluation import merge, paper_accounting, summarise
from cwlib.evaluation.digits import GREY_LEVELS


@pytest.fixture
def tiny_zoo(tiny_weights, monkeypatch):
    """A zoo of four tiny networks."""
    monkeypatch.setattr(zoo, "WEIGHTS", tiny_weights)
    for name, experiment in tiny.EXPERIMENTS.items():
        monkeypatch.setitem(experiments.EXPERIMENTS, name, experiment)


@pytest.fixture(scope="module")
def pages():
    originals = strokes.digits(3)
    return evaluation.TestSet("pages", originals, data.resize_digits(originals))


# --- summaries -----------------------------------------------------------------------------------


def test_the_mean_is_that_of_rates_errors_and_psnrs():
    # 255^2 / 10^k has a PSNR of exactly 10 k
    errors = [255**2 / 10**2, 255**2 / 10**4]
    mean, first, second = summarise("e", "d", [0.1, 0.3], errors, seed=5)
    assert mean["bpp"] == 0.2
    assert mean["mse"] == pytest.approx(sum(errors) / 2, abs=1e-5)
    assert mean["psnr"] == 30  # the mean of 20 and 40, not the PSNR of the mean error
    assert (mean["image"], mean["images"]) == ("mean", 2)
    assert (first["image"], first["bpp"], first["psnr"]) == (0, 0.1, 20)
    assert (second["image"], second["bpp"], second["psnr"]) == (1, 0.3, 40)
    for record in (mean, first, second):
        assert (record["experiment"], record["dataset"], record["seed"]) == ("e", "d", 5)
        json.dumps(record)  # plain numbers, no arrays


def test_an_exact_image_is_counted_and_left_out_of_the_mean_psnr():
    mean, exact, other = summarise("e", "d", [1.0, 1.0], [0.0, 255**2 / 100])
    assert mean["exact"] == 1 and mean["psnr"] == 20 and "psnr" not in exact
    assert other["psnr"] == 20 and mean["mse"] == pytest.approx(255**2 / 200, abs=1e-5)
    assert "exact" not in summarise("e", "d", [1.0], [4.0])[0]


def test_a_lossless_codec_has_no_psnr_at_all():
    mean = summarise("e", "d", [1.0, 1.0], [0.0, 0.0])[0]
    assert "psnr" not in mean and mean["exact"] == 2


@pytest.mark.parametrize(
    ("rates", "errors"), [([], []), ([1.0], [float("nan")]), ([1.0, 2.0], [3.0])]
)
def test_nothing_measured_is_no_record(rates, errors):
    with pytest.raises(ValueError, match="^e: nothing of d was measured, or not all of it"):
        summarise("e", "d", rates, errors)


def test_at_most_ten_single_images_are_kept():
    records = summarise("e", "d", [1.0] * 25, [4.0] * 25)
    assert [r["image"] for r in records] == ["mean", *range(10)]
    assert records[0]["images"] == 25


# --- the paper's accounting ----------------------------------------------------------------------


def textbook_huffman_bits(symbols: list) -> int:
    """Huffman's own way: join the two rarest; each joint adds one bit to all that is below it."""
    heap = [(n, k) for k, n in enumerate(Counter(symbols).values())]
    if len(heap) == 1:
        return len(symbols)  # one bit each: no code has words of no bits
    heapq.heapify(heap)
    total = 0
    for k in itertools.count(len(heap)):
        a, b = heapq.heappop(heap), heapq.heappop(heap)
        total += a[0] + b[0]
        if not heap:
            return total
        heapq.heappush(heap, (a[0] + b[0], k))


def test_1024_distinct_values_cost_10_bits_each():
    code = (np.arange(1024) / 1024).reshape(4, 16, 16)
    found = paper_accounting(code)
    assert found["bpp"] == 0.625  # 10240 bits over 128 x 128 pixels
    assert found["distinct"] == 1024
    # the table that is never sent: 20 bits of a value and 4 of a length, 1024 times
    assert found["table_bpp"] == 1024 * 24 / 128**2


@pytest.mark.parametrize("seed", range(8))
def test_the_words_are_as_long_as_the_textbooks(seed):
    rng = np.random.default_rng(seed)
    whole = np.floor(rng.gamma(1, 1 + 3 * seed, (4, 5, 3))).astype(np.int64) % 64
    found = paper_accounting(whole)
    assert found["bpp"] * (5 * 3 * 64) == pytest.approx(
        textbook_huffman_bits(whole.ravel().tolist())
    )
    assert found["distinct"] == np.unique(whole).size
    assert found["table_bpp"] * (5 * 3 * 64) == pytest.approx(found["distinct"] * 10)
    # whole numbers as floats are the same symbols
    assert paper_accounting(whole.astype(np.float32))["bpp"] == found["bpp"]


def test_floats_are_told_apart_by_six_decimals():
    code = np.array([0.1234561, 0.1234564, 0.1234569, 0.5]).reshape(1, 2, 2)
    found = paper_accounting(code)
    assert found["distinct"] == 3
    bits = textbook_huffman_bits(["a", "a", "b", "c"])
    assert found["bpp"] * 4 * 64 == pytest.approx(bits)


def test_a_constant_code_costs_one_bit_a_value():
    assert paper_accounting(np.zeros((4, 16, 16), int))["bpp"] == 0.0625


# --- models --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(tiny.EXPERIMENTS))
def test_records_are_those_of_real_streams(tiny_zoo, pages, name):
    mean, *single = evaluation.model_records(name, pages, progress=False)
    model = zoo.load(name)
    latents = codec.analyse(model, pages.images)
    for row, latent, image in zip(single, latents, pages.images, strict=True):
        blob = codec.pack(model, latent, image.shape)
        assert row["bpp"] == pytest.approx(8 * len(blob) / 128**2, abs=1e-5)
        error = ((codec.decompress(blob).astype(float) - image) ** 2).mean()
        assert row["mse"] == pytest.approx(error, rel=1e-3)
        assert row["psnr"] == pytest.approx(10 * math.log10(255**2 / error), abs=0.01)
    assert mean["coder"] == ("arithmetic" if name == "tiny-cw1" else "huffman")
    if "cw" in name:
        assert 0 < mean["kept_bits"] < 6
    else:
        assert "kept_bits" not in mean


def test_weights_of_your_own_are_measured_under_their_models_name(tiny_zoo, pages, monkeypatch):
    path = zoo.WEIGHTS / "tiny-cw.safetensors"
    wanted = evaluation.model_records("tiny-cw", pages, progress=False)
    monkeypatch.setattr(zoo, "WEIGHTS", zoo.WEIGHTS / "none")
    assert evaluation.of_weights(path)(pages) == wanted
    assert {r["experiment"] for r in wanted} == {"tiny-cw"}


def test_a_stream_that_decodes_to_something_else_is_never_counted(tiny_zoo, pages, monkeypatch):
    real = codec.unpack

    def liar(model, blob):
        latents = real(model, blob)
        latents.symbols[0, 0, 0] ^= 1
        return latents

    monkeypatch.setattr(codec, "unpack", liar)
    with pytest.raises(codec.StreamError, match="did not decode to its own symbols"):
        evaluation.model_records("tiny-cae", pages, progress=False)


def test_importance_records_are_means_for_each_factor(tiny_zoo, pages):
    records = evaluation.importance_records("tiny-cw1", pages, progress=False)
    assert [r["importance"] for r in records] == list(evaluation.IMPORTANCE_STEPS)
    assert {r["kind"] for r in records} == {"importance"} and {r["image"] for r in records} == {
        "mean"
    }
    kept = [r["kept_bits"] for r in records]
    assert kept == sorted(kept) and kept[0] == 0


def test_fewer_uniform_bits_are_fewer_bytes(tiny_zoo, pages, monkeypatch):
    monkeypatch.setattr(data, "mnist28", lambda split: (strokes.digits(20, seed=3), None))
    records = evaluation.uniform_records(pages, "tiny-resnet", progress=False)
    means = [r for r in records if r["image"] == "mean"]
    assert [r["experiment"] for r in means] == [f"tiny-resnet-uniform-{b}" for b in (2, 3, 4, 6)]
    rates = [r["bpp"] for r in means]
    assert rates == sorted(rates)
    for r in means:  # at least one bit a value, at most as many as there are and a header
        assert 0.0625 <= r["bpp"] <= 0.0625 * (r["bits"] + 1) + 8 * 17 / 128**2


def test_the_rivals_that_know_the_source_are_charged_to_the_large_pixels(pages, monkeypatch):
    monkeypatch.setattr(baselines, "gzip_bpp", lambda: 0.0805)
    records = evaluation.source_records(pages, progress=False)
    by_name = {r["experiment"]: r for r in records if r["experiment"] != "grey-28"}
    assert set(by_name) == {"png-28", "webp-lossless-28", "gzip-28"}
    sizes = [len(baselines.encode("png", image)) for image in pages.originals]
    assert by_name["png-28"]["bpp"] == pytest.approx(8 * np.mean(sizes) / 128**2, abs=1e-5)
    assert {r["mse"] for r in by_name.values()} == {0.0}

    grey = [r for r in records if r["experiment"] == "grey-28"]
    assert [r["quality"] for r in grey] == list(GREY_LEVELS)
    two = data.resize_digits(np.where(pages.originals > 127, 255, 0).astype(np.uint8))
    error = ((two.astype(float) - pages.images) ** 2).mean()
    assert grey[0]["mse"] == pytest.approx(error, rel=1e-4)
    assert grey[0]["bpp"] < grey[-1]["bpp"] and grey[0]["mse"] > grey[-1]["mse"]


def test_the_targets_are_the_models_and_the_studies(tiny_zoo):
    table = evaluation.targets()
    assert set(tiny.EXPERIMENTS) | {"uniform", "accounting", "baselines"} <= set(table)


# --- the results file ----------------------------------------------------------------------------


def row(k: int) -> dict:
    return {"experiment": f"e{k}", "image": "mean", "bpp": k / 4}


def records_of(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["records"]


def test_merging_replaces_what_the_same_command_made_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "r.json"
    merge(path, "one", [row(1), row(2)])
    merge(path, "two", [row(3)])
    merge(path, "one", [row(4)])
    found = [(r["command"], r["experiment"]) for r in records_of(path)]
    assert found == [("one", "e4"), ("two", "e3")]
    assert json.loads(path.read_text(encoding="utf-8"))["made_by"] == "cwlib eval"
    assert [p.name for p in path.parent.iterdir()] == ["r.json"]


def test_merging_the_same_twice_gives_the_same_bytes(tmp_path):
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    for path, order in ((a, "xy"), (b, "yx")):
        for command in order:
            merge(path, command, [row(ord(command))])
    merge(a, "x", [row(ord("x"))])
    assert a.read_bytes() == b.read_bytes()


MERGER = """
import sys
from pathlib import Path
from cwlib.evaluation import merge
for k in range(20):
    merge(Path("r.json"), f"{sys.argv[1]} {k}", [{"experiment": "e"}])
"""


def test_processes_that_merge_into_one_file_at_once_keep_all_records(tmp_path):
    words = [[sys.executable, "-c", MERGER, name] for name in "abcd"]
    running = [subprocess.Popen(line, cwd=tmp_path) for line in words]
    assert [process.wait(120) for process in running] == [0] * 4
    assert len(records_of(tmp_path / "r.json")) == 80
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "not json",
        "[1, 2]",
        "{}",
        '{"records": []}',
        '{"made_by": "x", "records": 3}',
        '{"made_by": "x", "records": [1]}',
        '{"made_by": "x", "records": [{"command": "c"}]}',
        '{"made_by": "x", "records": [{"experiment": "e"}]}',
        "null",
        "\xff\xfe",
    ],
)
def test_what_is_no_results_file_is_refused_and_left_alone(tmp_path, junk):
    path = tmp_path / "r.json"
    path.write_bytes(junk.encode("latin-1"))
    with pytest.raises(ValueError, match=r"r\.json is not a results file .*: name another"):
        merge(path, "c", [row(1)])
    assert path.read_bytes() == junk.encode("latin-1")


def test_a_full_disk_leaves_the_results_as_they_were(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    merge(path, "one", [row(1)])
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        merge(path, "two", [row(2)])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


def test_the_books_results_are_those_beside_the_package(tmp_path, monkeypatch):
    book = Path(evaluation.__file__).parents[2] / "book" / "results"
    assert evaluation.is_the_books(book / "kodak.json")
    monkeypatch.chdir(book)
    assert evaluation.is_the_books(Path("new.json"))
    assert evaluation.is_the_books(Path("..") / "results" / "kodak.json")
    for other in (Path("deeper") / "kodak.json", tmp_path / "book" / "results" / "kodak.json"):
        assert not evaluation.is_the_books(other)


def test_read_finds_records_by_their_fields(tmp_path, monkeypatch):
    path = tmp_path / "book" / "results" / "mine.json"
    merge(path, "c", [row(1), row(2), {**row(2), "image": 0}])
    assert [r["bpp"] for r in results.read(path, experiment="e2")] == [0.5, 0.5]
    assert len(results.read(path, experiment="e2", image="mean")) == 1
    assert results.read(path, nope=1) == []
    # by name, from a folder below the repository's
    inside = tmp_path / "book" / "mnist"
    inside.mkdir()
    monkeypatch.chdir(inside)
    assert len(results.read("mine")) == 3


def test_a_results_file_that_is_not_there_says_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="go to the folder of the book"):
        results.read("none")


def test_one_record_or_none(tmp_path):
    path = tmp_path / "r.json"
    merge(path, "c", [{"experiment": "e", "image": "mean", "bpp": 1.0}])
    assert results.one(path, experiment="e")["bpp"] == 1.0
    assert results.one(path, experiment="e", image=3) is None
    assert results.one(path, experiment="f") is None
