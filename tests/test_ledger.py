"""The ledger: numbers out of hand-made results, verdicts by truth tables; and the book's claims."""

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
from cwbook.claims import CLAIMS
from cwbook.ledger import Claim, NotMeasured, Results, at, judge
from cwlib import zoo
from cwlib.cli import parser

BOOK = Path(__file__).resolve().parent.parent / "book"
LEDGER = BOOK / "results" / "ledger.json"


def results(*rows: dict, file: str = "mine") -> Results:
    return Results({file: [{"image": "mean", "command": "c", **row} for row in rows]})


MINE = results(
    {"experiment": "a", "seed": 0, "bpp": 0.1, "psnr": 30.0, "command": "c a"},
    {"experiment": "a", "seed": 1, "bpp": 0.2, "psnr": 33.0, "command": "c a"},
    {"experiment": "b-2", "seed": 0, "bpp": 0.4},
    {"experiment": "b-2", "seed": 0, "bpp": 9.0, "image": 3, "kind": "other"},
    {"experiment": "b-2", "seed": 0, "bpp": 5.0, "kind": "one-setting"},
)


# --- numbers from results ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "experiment, where, rates",
    [
        ("a", {}, [0.1, 0.2]),
        ("b-*", {}, [0.4]),
        ("b-*", {"image": 3, "kind": "other"}, [9.0]),
        ("b-2", {"kind": "one-setting"}, [5.0]),
        (["a", "b-*"], {"seed": [0, 7]}, [0.1, 0.4]),
        (["a", "b-*"], {"kind": ["other", None], "image": ["mean", 3]}, [0.1, 0.2, 0.4, 9.0]),
    ],
)
def test_records_are_found_by_values_lists_patterns_and_missing_fields(experiment, where, rates):
    assert [r["bpp"] for r in MINE.records("mine", experiment, **where)] == rates


@pytest.mark.parametrize("where", [("mine", "b"), ("none", "a")])
def test_what_is_not_measured_yet_has_no_record(where):
    with pytest.raises(NotMeasured):
        MINE.records(*where)
    with pytest.raises(NotMeasured):
        MINE.one("mine", "a", seed=7)


def test_one_record_is_one():
    assert MINE.one("mine", "a", seed=1)["psnr"] == 33.0
    with pytest.raises(ValueError, match="2 records: say which one"):
        MINE.one("mine", "a")


def test_a_point_of_a_curve_lies_on_straight_lines():
    rows = [{"bpp": x, "psnr": y} for x, y in ((0.4, 34.0), (0.1, 30.0), (0.2, 32.0))]
    assert at(rows, "psnr", 0.15) == pytest.approx(31)
    assert at(rows, "psnr", 0.3) == pytest.approx(33)
    assert at(rows, "psnr", math.sqrt(0.02), log=True) == pytest.approx(31)  # halfway in octaves
    for end, value in ((0.1, 30), (0.4, 34)):
        assert at(rows, "psnr", end) == value
    for rate, points in ((0.0999, rows), (0.41, rows), (0.1, [])):
        with pytest.raises(NotMeasured, match="no psnr at"):
            at(points, "psnr", rate)


@pytest.mark.parametrize("measure", ["ms_ssim", "ms_ssim_luma"])
def test_ms_ssim_is_read_off_in_decibels(measure):
    rows = [{"bpp": 0.0, measure: 0.9}, {"bpp": 1.0, measure: 0.99}]  # 10 and 20 dB
    assert at(rows, measure, 0.5) == pytest.approx(1 - 10**-1.5)


@given(
    st.dictionaries(st.integers(1, 200), st.floats(10, 50), min_size=2, max_size=6),
    st.data(),
    st.booleans(),
)
def test_between_its_points_a_curve_stays_between_their_values(curve, draw, log):
    points = sorted((x / 100, y) for x, y in curve.items())
    place = draw.draw(st.integers(2 * min(curve), 2 * max(curve))) / 200
    found = at([{"bpp": x, "psnr": y} for x, y in points], "psnr", place, log)
    below = [y for x, y in points if x <= place][-1]
    above = [y for x, y in points if x >= place][0]
    assert min(below, above) - 1e-9 <= found <= max(below, above) + 1e-9


def seeds_of(leads: dict[str, tuple[float, float]]) -> list[dict]:
    """Three members of each name with two seeds; a lead is how far a seed's curve is lifted."""
    return [
        {"experiment": f"{n}{k}", "seed": seed, "bpp": 0.1 * 2**k, "psnr": 30.0 + k + lead}
        for n, both in leads.items()
        for seed, lead in enumerate(both)
        for k in range(3)
    ]


def test_a_measure_is_read_for_each_seed():
    rows = seeds_of({"a": (0, 10)})
    r = results(*rows, file="ablations")
    assert r.seeds("psnr", "a1") == [31, 41]
    assert r.seeds_at(0.2, "psnr", "a*") == pytest.approx([31, 41])
    assert r.seeds_at(0.1 * 2**0.5, "psnr", "a*") == pytest.approx([30.5, 40.5])
    with pytest.raises(NotMeasured):  # a seed whose curve does not reach the rate
        results(*rows[:-1], file="ablations").seeds_at(0.4, "psnr", "a*")


def test_a_gain_is_the_mean_height_of_one_curve_over_the_other():
    rows = seeds_of({"a": (0.5, 2.0), "b": (0.0, 0.5)})
    a, b = {"experiment": "a*"}, {"experiment": "b*"}
    r = results(*rows, file="ablations")
    assert r.gains("psnr", a, b) == pytest.approx([0.5, 1.5])
    assert r.gains("psnr", b, a) == pytest.approx([-0.5, -1.5])
    # seeds that only one of them has do not count, and without a common seed there is no gain
    extra = [{**row, "seed": 7, "psnr": 99.0} for row in rows[:6]]
    assert results(*rows, *extra, file="ablations").gains("psnr", a, b) == pytest.approx([0.5, 1.5])
    far = [{**row, "bpp": row["bpp"] * 100} for row in rows[:6]]
    for ours in (extra, far, rows[:1]):  # another seed, other rates, a single point
        with pytest.raises(NotMeasured):
            results(*ours, *rows[6:], file="ablations").gains("psnr", a, b)


# --- what follows from them ----------------------------------------------------------------------


@given(st.lists(st.booleans(), min_size=1))
def test_some_true_comparisons_are_a_claim_in_part(holds):
    wanted = "reproduced" if all(holds) else "in part" if any(holds) else "not reproduced"
    assert judge(holds) == wanted


def claim(outcome=None, **changes) -> Claim:
    fields = dict.fromkeys(("place", "kind", "text", "quote", "paper_value", "chapter", "why"), "")
    return Claim("1-01", **{**fields, "outcome": outcome, **changes})


def test_a_row_says_what_the_results_say():
    def outcome(r):
        psnr = r.one("mine", "a", seed=0)["psnr"]
        return f"{psnr:.1f} dB", [psnr > 40]

    row = claim(outcome).judged(MINE)
    assert (row["ours"], row["verdict"]) == ("30.0 dB", "not reproduced")
    assert row["command"] == "c a --out book/results/mine.json"
    assert row["compute"] == "no training of ours"
    better = claim(outcome).judged(results({"experiment": "a", "seed": 0, "psnr": 41.26}))
    assert (better["ours"], better["verdict"]) == ("41.3 dB", "reproduced")
    for nothing in (Results({}), results({"experiment": "a", "seed": 0})):  # no record, no field
        gone = claim(outcome).judged(nothing)
        assert (gone["ours"], gone["verdict"]) == ("", "pending")


def test_a_verdict_by_hand_stays_until_a_number_is_missing():
    by_hand = claim(lambda r: str(r.one("mine", "a", seed=0)["bpp"]), verdict="cannot be judged")
    row = by_hand.judged(MINE)
    assert (row["ours"], row["verdict"]) == ("0.1", "cannot be judged")
    assert by_hand.judged(Results({}))["verdict"] == "pending"
    assert claim(ours="built", verdict="reproduced").judged(MINE)["ours"] == "built"


def test_what_one_claim_has_read_is_not_behind_the_next():
    claim(lambda r: (str(r.records("mine", "a")), [True])).judged(MINE)
    assert claim(lambda r: ("", [True])).judged(MINE)["command"] == ""


def test_the_training_behind_a_row_is_counted_once_for_each_run():
    run = {"experiment": "m", "seconds": 90}
    r = results(
        {**run, "seed": 0, "device": "cpu", "command": "study --only m --seeds 0"},
        {**run, "seed": 1, "device": "a GPU", "command": "study --only m --seeds 1"},
    )
    row = claim(lambda r: (str(r.records("mine", "m") + r.records("mine", "m")), [True])).judged(r)
    assert row["compute"] == "2 trainings, 3 minutes in all (a GPU, cpu)"
    assert row["command"] == "study --out book/results/mine.json"  # one command for all its runs


def test_the_training_of_a_shipped_model_stands_on_its_card(tmp_path, monkeypatch):
    card = json.dumps({"seconds": 120, "device": "cpu, 1 thread"})
    (tmp_path / "net.json").write_text(card, encoding="utf-8")
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    names = ["net", "net-uniform-2", "net-untrained", "jpeg"]
    row = claim(lambda r: (str(r.records("mine", names)), [True])).judged(
        results(*({"experiment": n} for n in names))
    )
    assert row["compute"] == "1 training, 2 minutes in all (cpu, 1 thread)"


def test_figures_of_others_have_no_command():
    r = results({"experiment": "x", "command": "typed from the source"})
    assert claim(lambda r: (str(r.one("mine", "x")), [True])).judged(r)["command"] == ""


def test_words_about_an_outcome_belong_to_that_outcome():
    told = claim(setting="Done so.", why={"reproduced": "It came out."})
    assert told.explanation("reproduced") == "Done so. It came out."
    assert told.explanation("pending") == "Done so."
    assert told.explanation("in part") == ""  # nobody has written that yet
    assert claim(why="either way").explanation("in part") == "either way"


def test_counts_are_in_the_order_of_the_verdicts():
    rows = [{"verdict": v, "paper": p} for v, p in (("in part", 1), ("in part", 2), ("pending", 2))]
    assert list(ledger.count(rows)) == list(ledger.VERDICTS)
    assert ledger.count(rows)["in part"] == 2
    none = dict.fromkeys(ledger.VERDICTS, 0)
    assert ledger.count(rows, paper=2) == {**none, "in part": 1, "pending": 1}


def test_the_ledger_is_written_from_the_results_beside_it(tmp_path):
    """The book's own, out of nothing but its results files; a second time changes nothing."""
    folder = tmp_path / "results"
    folder.mkdir()
    for path in LEDGER.parent.glob("*.json"):
        if path.stem not in ("ledger", "decisions"):
            (folder / path.name).symlink_to(path)
    ledger.renew(folder / "ledger.json", CLAIMS)
    assert (folder / "ledger.json").read_bytes() == LEDGER.read_bytes(), (
        "book/results/ledger.json is stale: run `python -m cwbook ledger`"
    )


# --- the book's own claims -----------------------------------------------------------------------

ROWS = ledger.read(LEDGER)

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
OTHER_FIGURES = {1: ["Fig. 1", "Fig. 2", "Fig. 3"], 2: ["Fig. 1", "Fig. 2", "Fig. 4", "Fig. 5"]}


def at_place(paper: int, place: str) -> list[dict]:
    pattern = rf"\b{re.escape(place)}(?!\d)"
    return [r for r in ROWS if r["paper"] == paper and re.search(pattern, r["place"])]


def test_every_table_and_figure_of_the_papers_has_a_row_and_every_cell_stands_in_one():
    assert all(at_place(paper, f) for paper, figures in OTHER_FIGURES.items() for f in figures)
    for (paper, place), cells in CELLS.items():
        text = " ".join(f"{r['claim']} {r['paper_value']}" for r in at_place(paper, place))
        numbers = {float(number) for number in re.findall(r"\d+\.\d+", text)}
        assert {float(cell) for cell in cells.split()} <= numbers, place


def test_the_rows_are_numbered_through():
    for paper in (1, 2):
        ids = [r["id"] for r in ROWS if r["paper"] == paper]
        assert ids == [f"{paper}-{k:02d}" for k in range(1, len(ids) + 1)]
    assert len(ROWS) >= 60


def headings(chapter: str) -> set[str]:
    cells = json.loads((BOOK / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return {decisions.slug(title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("r", ROWS, ids=lambda r: r["id"])
def test_a_row_is_complete_explains_itself_and_can_be_recomputed(r):
    for field in ("claim", "quote", "place", "paper_value", "chapter", "why"):
        assert r[field].strip(), f"{field} is empty: for the verdict {r['verdict']!r}, too?"
    assert r["kind"] in ledger.KINDS and r["verdict"] in ledger.VERDICTS
    assert len(r["quote"].split()) <= 25, "a quotation, not an excerpt"
    if r["verdict"] == "cannot be judged":
        assert r.get("needed", "").strip(), "say what it would take to judge it"
    chapter, _, heading = r["chapter"].partition("#")
    assert heading in headings(chapter)
    for command in filter(None, r["command"].split("; ")):
        words = re.sub("^(cwlib|python -m cwbook) ", "", command).split()
        build = parser.build if command.startswith("cwlib ") else book_commands.build
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
                row |= {"rans_bpp": rate, "seconds": 60, "device": "cpu", "command": "c"}
                rows.append(row)
    return rows


def test_rows_that_rest_on_studies_have_words_for_every_outcome():
    real = Results.of(LEDGER.parent)
    resting = [c for c in CLAIMS if "cwbook study" in c.judged(real)["command"]]
    verdicts = set()
    for seed in range(8):
        made_up = Results({**real.files, "ablations": made_up_studies(seed)})
        for c in resting:
            row = c.judged(made_up)
            assert row["verdict"] != "pending" and row["ours"] and row["why"], row
            verdicts.add(row["verdict"])
    assert len(resting) > 5 and {"reproduced", "in part", "not reproduced"} <= verdicts


def test_the_spread_over_seeds_is_that_of_the_sample():
    (row,) = [r for r in ROWS if r["id"] == "1-31"]
    values = Results.of(LEDGER.parent).seeds("psnr", "tiny-ste")
    assert f"{statistics.mean(values):.2f} ± {np.std(values, ddof=1):.2f} dB" in row["ours"]


def test_links_into_the_ledger_lead_somewhere():
    known = {r["id"] for r in ROWS}
    for path in BOOK.rglob("*.ipynb"):
        links = re.findall(r"01-ledger\.html#claim-([\d-]+)", path.read_text(encoding="utf-8"))
        assert set(links) <= known, path
