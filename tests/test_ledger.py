"""The ledger: citations by hand-made results, verdicts by truth tables; and the book's own rows."""

from __future__ import annotations

import json
import math
import re
import statistics
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwbook import __main__ as book_commands
from cwbook import decisions, ledger, studies
from cwbook.ledger import at, compare, judge, renewed, resolve
from cwlib import zoo
from cwlib.cli import parser

BOOK = Path(__file__).resolve().parent.parent / "book"
LEDGER = BOOK / "results" / "ledger.json"

RESULTS = {
    "mine": [
        {"experiment": "a", "image": "mean", "seed": 0, "bpp": 0.1, "psnr": 30.0, "command": "c a"},
        {"experiment": "a", "image": "mean", "seed": 1, "bpp": 0.2, "psnr": 33.0, "command": "c a"},
        {"experiment": "b-2", "image": "mean", "seed": 0, "bpp": 0.4, "mse": 6.5, "command": "c b"},
        {"experiment": "b-2", "image": 3, "seed": 0, "kind": "other", "bpp": 9.0, "command": "c b"},
    ]
}


def cite(field="psnr", **where) -> dict:
    return {"results": "mine", "where": where, "field": field}


# --- numbers from citations ----------------------------------------------------------------------


def test_a_citation_is_a_number_a_field_or_arithmetic_on_them():
    assert resolve({"value": 0.361}, {}) == 0.361
    assert resolve(cite(experiment="a", seed=1), RESULTS) == 33.0
    # PSNR = 10 log10(255^2 / MSE), of a number or of what is cited
    assert resolve({"psnr_of_mse": 650.25}, {}) == pytest.approx(20)
    psnr = resolve({"psnr_of_mse": cite("mse", experiment="b-2", image="mean")}, RESULTS)
    assert psnr == pytest.approx(10 * math.log10(255**2 / 6.5))
    a, b = cite(experiment="a", seed=1), cite(experiment="a", seed=0)
    assert resolve({"difference": [a, b]}, RESULTS) == 3.0
    assert resolve({"sum": [a, 1]}, RESULTS) == 34.0
    assert resolve({"ratio": [a, {"sum": [b, 3]}]}, RESULTS) == 1.0


@pytest.mark.parametrize(
    "where, rates",
    [
        ({"experiment": "a"}, [0.1, 0.2]),
        ({"experiment": "b-*"}, [0.4, 9.0]),
        ({"experiment": "b-*", "image": "mean"}, [0.4]),
        ({"experiment": ["a", "b-*"], "seed": [0, 7]}, [0.1, 0.4, 9.0]),
        ({"image": 3}, [9.0]),
        ({"kind": None}, [0.1, 0.2, 0.4]),
        ({"experiment": "b"}, []),
        ({"no such field": 1}, []),
    ],
)
def test_where_takes_values_lists_patterns_and_missing_fields(where, rates):
    found = ledger.cited_records(cite(**where), RESULTS)
    assert [r["bpp"] for r in found] == rates


def test_what_is_not_measured_yet_has_no_number():
    assert resolve(cite(experiment="z"), RESULTS) is None
    assert resolve(cite("psnr", experiment="b-2", image="mean"), RESULTS) is None  # no such field
    assert resolve({"results": "none", "where": {}, "field": "bpp"}, RESULTS) is None
    for name in ("sum", "difference", "ratio"):
        assert resolve({name: [1, cite(experiment="z")]}, RESULTS) is None
    assert resolve({"psnr_of_mse": cite("mse", experiment="z")}, RESULTS) is None


def test_a_citation_that_fits_several_records_is_refused():
    with pytest.raises(ValueError, match="fits 2 records: say which one"):
        resolve(cite(experiment="a"), RESULTS)
    with pytest.raises(ValueError, match="is no citation"):
        resolve({"result": "mine"}, RESULTS)


def test_over_seeds_takes_mean_spread_and_extremes():
    wanted = {"mean": 31.5, "std": statistics.stdev([30, 33]), "median": 31.5, "least": 30}
    for take, value in {**wanted, "most": 33, "sum": 63, "count": 2}.items():
        found = resolve({**cite(experiment="a"), "over": "seed", "take": take}, RESULTS)
        assert found == pytest.approx(value), take
    # one run has no spread
    one = {**cite(experiment="a", seed=0), "over": "seed", "take": "std"}
    assert resolve(one, RESULTS) is None


def test_a_point_of_a_curve_lies_on_straight_lines():
    rows = [{"bpp": x, "psnr": y} for x, y in ((0.4, 34.0), (0.1, 30.0), (0.2, 32.0))]
    assert at(rows, "psnr", "bpp", 0.15) == pytest.approx(31)
    assert at(rows, "psnr", "bpp", 0.3) == pytest.approx(33)
    assert at(rows, "psnr", "log bpp", math.sqrt(0.02)) == pytest.approx(31)  # halfway in octaves
    for end, value in ((0.1, 30), (0.4, 34)):
        assert at(rows, "psnr", "bpp", end) == value
    assert at(rows, "psnr", "bpp", 0.0999) is None and at(rows, "psnr", "bpp", 0.41) is None
    assert at([], "psnr", "bpp", 0.1) is None


def test_ms_ssim_is_read_off_in_decibels():
    rows = [{"bpp": 0.0, "ms_ssim": 0.9}, {"bpp": 1.0, "ms_ssim": 0.99}]  # 10 and 20 dB
    assert at(rows, "ms_ssim", "bpp", 0.5) == pytest.approx(1 - 10**-1.5)
    # and so is that of the luma
    rows = [{**row, "ms_ssim_luma": row["ms_ssim"]} for row in rows]
    assert at(rows, "ms_ssim_luma", "bpp", 0.5) == pytest.approx(1 - 10**-1.5)


@given(
    st.dictionaries(st.integers(1, 200), st.floats(10, 50), min_size=2, max_size=6),
    st.integers(1, 400),
    st.sampled_from(["bpp", "log bpp"]),
)
def test_between_its_points_a_curve_stays_between_their_values(curve, twice, along):
    points = [(x / 100, y) for x, y in curve.items()]
    place = twice / 200
    found = at([{"bpp": x, "psnr": y} for x, y in points], "psnr", along, place)
    rates, values = zip(*points, strict=True)
    if not min(rates) <= place <= max(rates):
        assert found is None
    else:
        below = max((p for p in points if p[0] <= place), key=lambda p: p[0])[1]
        above = min((p for p in points if p[0] >= place), key=lambda p: p[0])[1]
        assert min(below, above) - 1e-9 <= found <= max(below, above) + 1e-9
        assert min(values) - 1e-9 <= found <= max(values) + 1e-9


def test_a_curve_is_read_for_each_seed_at_a_rate_that_is_cited_too():
    rows = [
        {"experiment": f"m{k}", "seed": s, "bpp": 0.1 * (k + 1), "psnr": 30.0 + k + 10 * s}
        for k in range(3)
        for s in range(2)
    ]
    rate = {"results": "r", "where": {"experiment": "m1", "seed": 0}, "field": "bpp"}
    mean = {"results": "r", "where": {"experiment": "m*"}, "field": "psnr", "at": {"bpp": rate}}
    mean |= {"over": "seed", "take": "mean"}
    assert resolve(mean, {"r": rows}) == pytest.approx((31 + 41) / 2)
    # a seed whose curve does not reach the rate has no value, and so the mean has none
    assert resolve(mean, {"r": rows[:2] + rows[2::2]}) is None


def test_a_gain_is_the_mean_height_of_one_curve_over_the_other():
    rows = [
        {"experiment": f"{name}{k}", "seed": seed, "bpp": 0.1 * 2**k, "psnr": 30.0 + k + lead}
        for seed, leads in ((0, {"a": 0.5, "b": 0.0}), (1, {"a": 2.0, "b": 0.5}))
        for name, lead in leads.items()
        for k in range(3)
    ]
    a, b = ({"results": "r", "where": {"experiment": f"{n}*"}, "field": "psnr"} for n in "ab")
    gain = {"gain": [a, b], "over": "seed"}
    for take, wanted in {"mean": 1.0, "least": 0.5, "most": 1.5, "std": 1 / math.sqrt(2)}.items():
        assert resolve({**gain, "take": take}, {"r": rows}) == pytest.approx(wanted)
    assert resolve({**gain, "gain": [b, a]}, {"r": rows}) == pytest.approx(-1)
    # seeds that only one of them has do not count, and without a common seed there is no gain
    extra = [{**row, "seed": 7, "psnr": 99.0} for row in rows if row["experiment"][0] == "a"]
    assert resolve(gain, {"r": rows + extra}) == pytest.approx(1)
    assert resolve(gain, {"r": extra}) is None
    # curves that share no rates
    far = [{**r, "bpp": r["bpp"] * 100} if r["experiment"][0] == "a" else r for r in rows]
    assert resolve(gain, {"r": far}) is None


# --- what follows from them ----------------------------------------------------------------------


@given(st.floats(-9, 9), st.floats(-9, 9), st.sampled_from([0.0, 0.5, 3.0]))
def test_comparisons_have_a_margin(a, b, by):
    def says(sign: str) -> bool:
        return compare({"left": 0, "is": sign, "right": 1, "by": by}, [a, b])

    assert says(">") == (a - b > by) and says("<") == (b - a > by)
    assert says(">=") == (a - b >= by) and says("<=") == (b - a >= by)
    assert says("~") == (max(a, b) - min(a, b) <= by)


def test_some_true_comparisons_are_a_claim_in_part():
    higher = [{"left": 0, "is": ">", "right": 1}, {"left": 0, "is": ">", "right": 2}]
    row = {"holds": higher, "by_hand": "reproduced"}
    assert judge(row, [3, 1, 2]) == "reproduced"
    assert judge(row, [3, 1, 4]) == judge(row, [3, 4, 1]) == "in part"
    assert judge(row, [3, 4, 5]) == "not reproduced"
    assert judge(row, [3, None, 1]) == "pending"
    assert judge({"by_hand": "cannot be judged"}, []) == "cannot be judged"


def row(**changes) -> dict:
    base = {"id": "1-01", "form": "{0:.1f} dB", "cites": [cite(experiment="a", seed=0)]}
    return {**base, "holds": [{"left": 0, "is": ">", "right": 0}], **changes}


def test_a_row_says_what_the_results_say():
    found = renewed(row(), RESULTS)
    assert (found["ours"], found["verdict"]) == ("30.0 dB", "not reproduced")
    assert found["command"] == "c a --out book/results/mine.json"
    assert found["compute"] == "no training of ours"
    better = {"mine": [{**RESULTS["mine"][0], "psnr": 41.26}]}
    assert renewed(found, better)["ours"] == "41.3 dB"
    gone = renewed(found, {})
    assert (gone["ours"], gone["verdict"]) == ("", "pending")


def test_the_training_behind_a_row_is_counted_once_for_each_run():
    runs = [
        {"experiment": "m", "seed": s, "psnr": 30.0, "seconds": 90, "device": d, "command": c}
        for s, d in ((0, "cpu"), (1, "a GPU"))
        for c in ("study --only m --seeds 0", "study --only m --seeds 1")[s : s + 1]
    ]
    seeds = {"results": "r", "where": {"experiment": "m"}, "field": "psnr", "over": "seed"}
    found = renewed(row(cites=[seeds, seeds]), {"r": runs})
    assert found["compute"] == "2 trainings, 3 minutes in all (a GPU, cpu)"
    assert found["command"] == "study --out book/results/r.json"  # one command for all its runs


def test_the_training_of_a_shipped_model_stands_on_its_card(tmp_path, monkeypatch):
    (tmp_path / "net.json").write_text(
        json.dumps({"seconds": 120, "device": "cpu, 1 thread"}), encoding="utf-8"
    )
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    names = ["net", "net-uniform-2", "net-untrained", "jpeg"]
    rows = [{"experiment": n, "psnr": 1.0, "command": "c"} for n in names]
    cites = [{"results": "r", "where": {"experiment": n}, "field": "psnr"} for n in names]
    found = renewed(row(cites=cites, form=""), {"r": rows})
    assert found["compute"] == "1 training, 2 minutes in all (cpu, 1 thread)"


def test_figures_of_others_have_no_command():
    typed = {"r": [{"experiment": "x", "psnr": 1.0, "command": "typed from the source"}]}
    cites = [{"results": "r", "where": {"experiment": "x"}, "field": "psnr"}]
    assert renewed(row(cites=cites), typed)["command"] == ""


def test_words_about_an_outcome_belong_to_that_outcome():
    why = {"reproduced": "yes", "pending": "wait"}
    assert ledger.explanation({"verdict": "reproduced", "why": why}) == "yes"
    assert ledger.explanation({"verdict": "in part", "why": why}) == ""
    assert ledger.explanation({"verdict": "in part", "why": "either way"}) == "either way"


def test_counts_are_in_the_order_of_the_verdicts():
    rows = [{"verdict": v, "paper": p} for v, p in (("in part", 1), ("in part", 2), ("pending", 2))]
    assert list(ledger.count(rows)) == list(ledger.VERDICTS)
    assert ledger.count(rows)["in part"] == 2
    assert ledger.count(rows, paper=2) == {**dict.fromkeys(ledger.VERDICTS, 0), "in part": 1,
                                           "pending": 1}  # fmt: skip


def test_renewing_writes_the_file_and_a_second_time_changes_nothing(tmp_path):
    path = tmp_path / "ledger.json"
    (tmp_path / "mine.json").write_text(json.dumps({"records": RESULTS["mine"]}), encoding="utf-8")
    (tmp_path / "bench.json").write_text(
        json.dumps({"cases": []}), encoding="utf-8"
    )  # not of records
    ledger.write(path, [row(), row(id="1-02", claim="Ballé, λ₂")])
    rows = ledger.renew(path)
    assert [r["verdict"] for r in rows] == ["not reproduced"] * 2
    assert ledger.read(path) == rows
    text = path.read_text(encoding="utf-8")
    assert "Ballé, λ₂" in text and '\n  {"results": "mine"' in text  # for people's eyes
    ledger.renew(path)
    assert path.read_text(encoding="utf-8") == text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bench.json", "ledger.json", "mine.json"]


# --- the book's own rows -------------------------------------------------------------------------

ROWS = ledger.read(LEDGER)
NOT_HERE_YET = {"ablations"}  # studies that may still run; everything else has to be on file

# every number in a table of the papers, and in the captions of paper 2's Fig. 3
CELLS = {
    (1, "Table 1"): "0.5735 0.6245 0.3566",
    (1, "Table 2"): "44.42 129.50 127.05 45.76 104.49 114.14 46.51 118.86 115.64",
    (1, "Table 3"): "31.65 27.01 27.09 31.53 27.94 27.56 31.46 27.38 27.50",
    (2, "Table 1"): "29.96 29.99 30.18 0.9593 0.9605 0.9608 0.361",
    (2, "Fig. 3"): """0.31 21.41 0.8843 0.249 23.52 0.9084 0.232 24.26 0.9179
                      0.17 21.87 0.8269 0.146 28.23 0.9494 0.135 28.43 0.9529
                      0.30 20.63 0.8849 0.279 23.33 0.9224 0.26 23.70 0.9332
                      0.175 20.74 0.7360 0.182 25.36 0.8859 0.166 25.16 0.8911""",
}
SHOWN = {1: ["Table 1", "Table 2", "Table 3", "Fig. 1", "Fig. 2", "Fig. 3"],
         2: ["Table 1", "Fig. 1", "Fig. 2", "Fig. 3", "Fig. 4", "Fig. 5"]}  # fmt: skip


def at_place(paper: int, place: str) -> list[dict]:
    pattern = rf"\b{re.escape(place)}(?!\d)"
    return [r for r in ROWS if r["paper"] == paper and re.search(pattern, r["place"])]


@pytest.fixture(scope="module")
def results() -> dict[str, list[dict]]:
    return ledger.read_results(LEDGER.parent)


@pytest.mark.parametrize("stored", ROWS, ids=lambda r: r["id"])
def test_a_row_agrees_with_the_results_that_it_cites(stored, results):
    fresh = renewed(stored, results)
    stale = {k: fresh[k] for k in ledger.DERIVED if fresh[k] != stored[k]}
    assert not stale, (
        f"row {stored['id']} is stale, the results now say {stale}: "
        "run `python -m cwbook ledger --out book/results/ledger.json`"
    )


def test_a_stale_row_would_be_noticed(results):
    stored = next(r for r in ROWS if r["cites"] and r["verdict"] == "reproduced")
    touched = {**stored, "ours": stored["ours"].replace("2", "3"), "verdict": "in part"}
    fresh = renewed(touched, results)
    assert fresh["verdict"] != touched["verdict"] and fresh["ours"] == stored["ours"]


@pytest.mark.parametrize("paper, place", [(p, place) for p in SHOWN for place in SHOWN[p]])
def test_every_table_and_figure_of_the_papers_has_a_row(paper, place):
    assert at_place(paper, place), f"no row is about {place} of paper {paper}"


@pytest.mark.parametrize("paper, place", CELLS, ids=str)
def test_every_cell_of_the_papers_tables_stands_in_a_row(paper, place):
    text = " ".join(f"{r['claim']} {r['paper_value']}" for r in at_place(paper, place))
    found = {float(number) for number in re.findall(r"\d+\.\d+", text)}
    missing = {float(cell) for cell in CELLS[paper, place].split()} - found
    assert not missing


def test_the_rows_are_numbered_through():
    for paper in (1, 2):
        ids = [r["id"] for r in ROWS if r["paper"] == paper]
        assert ids == [f"{paper}-{k:02d}" for k in range(1, len(ids) + 1)]
    assert len(ROWS) >= 60


@pytest.mark.parametrize("r", ROWS, ids=lambda r: r["id"])
class TestRow:
    def test_is_complete(self, r):
        for field in ("claim", "quote", "place", "paper_value", "chapter"):
            assert r[field].strip(), f"{field} is empty"
        assert r["kind"] in ledger.KINDS and r["verdict"] in ledger.VERDICTS
        assert r["source"] == {1: "wu_content_weighted", 2: "he2020adaptive"}[r["paper"]]
        assert len(r["quote"].split()) <= 25, "a quotation, not an excerpt"

    def test_is_judged_by_comparisons_or_by_hand_and_not_by_both(self, r):
        assert bool(r.get("holds")) != ("by_hand" in r)
        for one in r.get("holds", []):
            assert {one["left"], one["right"]} <= set(range(len(r["cites"])))
            assert one["left"] != one["right"] and one["is"] in {">", ">=", "<", "<=", "~"}

    def test_explains_itself(self, r):
        assert ledger.explanation(r).strip(), (
            f"{r['id']} is {r['verdict']!r} and has no `why` for that: write one"
        )
        if r["verdict"] == "cannot be judged":
            assert r.get("needed", "").strip(), "say what it would take to judge it"

    def test_waits_only_for_studies(self, r, results):
        if r["verdict"] == "pending":
            missing = [c for c in r["cites"] if resolve(c, results) is None]
            texts = [json.dumps(c) for c in missing]
            assert all(any(f'"{n}"' in t for n in NOT_HERE_YET) for t in texts), missing

    def test_names_a_chapter_and_a_heading_of_it(self, r):
        chapter, _, heading = r["chapter"].partition("#")
        cells = json.loads((BOOK / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert heading in {decisions.slug(title) for title in titles}

    def test_can_be_recomputed_by_its_commands(self, r):
        for command in filter(None, r["command"].split("; ")):
            ours = command.removeprefix("cwlib ")
            build = parser.build if ours != command else book_commands.build
            words = ours.removeprefix("python -m cwbook ").split()
            build().parse_args(words)  # raises UsageError for what there is not


RATES = {"-low": 0.2, "-high": 0.7, "0.001": 0.15, "0.003": 0.1, "0.01": 0.05}


def made_up_studies(seed: int) -> list[dict]:
    """Records of all members of all studies, with rates that overlap and values by chance."""
    rng, rows = np.random.default_rng(seed), []
    for study in studies.STUDIES.values():
        for place, name in enumerate(study.members):
            middle = 0.4 if name.startswith("small") else 0.03 * (place + 1)
            rate = next((r for end, r in RATES.items() if name.endswith(end)), middle)
            for run in study.seeds:
                row = {"study": study.name, "experiment": name, "seed": run, "image": "mean"}
                row |= {"bpp": rate, "psnr": rng.normal(30, 1), "ms_ssim": rng.uniform(0.9, 0.99)}
                row |= {"rans_bpp": rate, "seconds": 60, "device": "cpu"}
                rows.append(
                    {**row, "command": f"python -m cwbook study {study.name} --only {name}"}
                )
    return rows


@pytest.mark.parametrize("seed", range(8))
def test_rows_that_rest_on_studies_have_words_for_every_outcome(results, seed):
    with_studies = {**results, "ablations": made_up_studies(seed)}
    resting = [r for r in ROWS if '"ablations"' in json.dumps(r["cites"])]
    for r in resting:
        found = renewed(r, with_studies)
        assert found["verdict"] != "pending" and found["ours"], r["id"]
        assert ledger.explanation(found), f"{r['id']} has no `why` for {found['verdict']!r}"


def test_links_into_the_ledger_lead_somewhere():
    known = {r["id"] for r in ROWS}
    for path in BOOK.rglob("*.ipynb"):
        links = re.findall(r"01-ledger\.html#claim-([\d-]+)", path.read_text(encoding="utf-8"))
        assert set(links) <= known, path
