"""The ledger: every claim of both papers, beside what the results files say about it.

A row of book/results/ledger.json does not hold our numbers, it *cites* them. From the citations
follow `ours` (the numbers in words), `verdict` (where the claim can be put as comparisons),
`compute` (what the training behind them took) and `command` (what recomputes them). `cwlib eval
ledger --out book/results/ledger.json` writes these four anew; a test fails where they are stale.

A citation, in `cites`, is one of

    {"results": "mnist", "where": {...}, "field": "psnr"}      a field of a record
      with "at": {"bpp": 0.361}                                read off the records' curve
      with "over": "seed", "take": "mean"                      a value for each seed, their mean
    {"gain": [curve, curve], "over": "seed", "take": "mean"}   how far the records of one citation
                                                               lie above those of the other
    {"value": 0.361}                                           a number that stands in a paper
    {"psnr_of_mse": 44.42}, {"sum": [a, b]}, "difference", "ratio"       arithmetic on the above

and a comparison, in `holds`, {"left": 0, "is": ">", "right": 1, "by": 0.1} over their places.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from cwbook import rd_curves
from cwbook.results import apart
from cwlib import files, zoo

VERDICTS = ("reproduced", "in part", "not reproduced", "cannot be judged", "pending")
KINDS = ("number", "comparison", "description", "judgement")
DERIVED = ("ours", "verdict", "compute", "command")

Number = float | int
Records = Mapping[str, Sequence[dict]]  # name of a results file -> its records
Row = dict[str, object]

_TAKE = {
    "mean": np.mean,
    "std": lambda values: np.std(values, ddof=1) if len(values) > 1 else None,
    "median": np.median,
    "least": min,
    "most": max,
    "sum": sum,
    "count": len,
}
_OPERATIONS = {"sum": np.add, "difference": np.subtract, "ratio": np.divide}
NOT_REPEATABLE = "typed from the source"  # the command of figures that others published


# --- numbers from citations ----------------------------------------------------------------------


def resolve(cite: Mapping, records: Records) -> float | None:
    """The cited number; None where it has not been measured. Raises ValueError for a bad citation.

    records: what `read_results` returns.
    """
    if "value" in cite:
        return float(cite["value"])
    if "psnr_of_mse" in cite:
        mse = _number(cite["psnr_of_mse"], records)
        return None if mse is None else float(10 * np.log10(255**2 / mse))
    for name, operation in _OPERATIONS.items():
        if name in cite:
            a, b = (_number(part, records) for part in cite[name])
            return None if a is None or b is None else float(operation(a, b))
    if "gain" in cite:
        return _gain(cite, records)
    if "results" not in cite:
        raise ValueError(f"{cite} is no citation: see the top of cwlib/evaluation/ledger.py")
    return _measured(cite, records)


def _number(part: Number | Mapping, records: Records) -> float | None:
    """A number as it stands, or a citation."""
    return float(part) if isinstance(part, int | float) else resolve(part, records)


def _gain(cite: Mapping, records: Records) -> float | None:
    """Mean gain of a curve over another, over the rates that both reach, seed by seed."""
    curves: list[dict[object, list[tuple[float, float]]]] = [{}, {}]
    for curve, part in zip(curves, cite["gain"], strict=True):
        for row in cited_records(part, records):
            point = row["bpp"], row[part["field"]]
            curve.setdefault(row[cite["over"]], []).append(point)
    ours, theirs = curves
    try:
        gains = [
            rd_curves.mean_gain(ours[k], theirs[k]) for k in sorted(ours.keys() & theirs.keys())
        ]
    except ValueError:  # a curve of one point, or two that share no rates
        return None
    return _taken(cite, gains)


def _taken(cite: Mapping, values: Sequence[float | None]) -> float | None:
    """The summary of several values that a citation asks for; None where one is missing."""
    if not values or None in values:
        return None
    summary = _TAKE[cite.get("take", "mean")](values)
    return None if summary is None else float(summary)


def _measured(cite: Mapping, records: Records) -> float | None:
    """A field of one record, a point of a curve, or a summary of either over seeds."""
    rows = cited_records(cite, records)
    groups: dict[object, list[dict]] = {}
    for row in rows:
        groups.setdefault(row[cite["over"]] if "over" in cite else "all", []).append(row)
    values = [_of_group(cite, group, records) for group in groups.values()]
    return _taken(cite, values)


def _of_group(cite: Mapping, rows: Sequence[dict], records: Records) -> float | None:
    field = cite["field"]
    if "at" not in cite:
        if len(rows) != 1:
            raise ValueError(f"{cite} fits {len(rows)} records: say which one, or `over` what")
        return rows[0].get(field)
    ((along, wanted),) = cite["at"].items()
    place = _number(wanted, records)
    return None if place is None else at(rows, field, along, place)


def at(rows: Iterable[dict], field: str, along: str, place: float) -> float | None:
    """`field` where `along` is `place`, on straight lines between records; None outside of them.

    along: a field, or `log bpp`, with lines that are straight over its logarithm: better where
    points lie far apart. MS-SSIM crowds towards 1, so its lines are straight in decibels,
    -10 log10(1 - x).
    """
    name = along.removeprefix("log ")
    points = sorted((r[name], r[field]) for r in rows if field in r and name in r)
    x, y = np.array(points, dtype=float).reshape(-1, 2).T
    if not len(x) or not x[0] <= place <= x[-1]:
        return None
    if name != along:
        x, place = np.log(x), float(np.log(place))
    if field.startswith("ms_ssim"):
        return float(1 - 10 ** (-np.interp(place, x, -10 * np.log10(1 - y)) / 10))
    return float(np.interp(place, x, y))


def cited_records(cite: Mapping, records: Records) -> list[dict]:
    """The records that a citation names itself: all fields of `where` fit.

    In `where`, a list means any of its members, `*` in a text any letters, null a missing field.
    Records that are `results.APART` fit where their field is named.
    """

    def fits(found: object, wanted: object) -> bool:
        if isinstance(wanted, list):
            return any(fits(found, one) for one in wanted)
        if isinstance(wanted, str) and isinstance(found, str):
            return fnmatchcase(found, wanted)
        return found == wanted

    where = cite["where"]
    rows = (r for r in records.get(cite["results"], ()) if not apart(r, where))
    return [r for r in rows if all(fits(r.get(k), v) for k, v in where.items())]


def all_records(cite: object, records: Records) -> list[tuple[str, dict]]:
    """(results file, record) of everything that a citation rests on, those inside it too."""
    if isinstance(cite, Mapping):
        inside = [one for v in cite.values() for one in all_records(v, records)]
        if "results" not in cite:
            return inside
        return [(cite["results"], r) for r in cited_records(cite, records)] + inside
    if isinstance(cite, list):
        return [one for part in cite for one in all_records(part, records)]
    return []


# --- what follows from them ----------------------------------------------------------------------


def compare(comparison: Mapping, values: Sequence[float]) -> bool:
    """Whether a comparison of `holds` is true; `by`: with that margin; `~`: to within `by`."""
    gap = values[comparison["left"]] - values[comparison["right"]]
    by = comparison.get("by", 0.0)
    signs = {">": gap > by, ">=": gap >= by, "<": gap < -by, "<=": gap <= -by, "~": abs(gap) <= by}
    return bool(signs[comparison["is"]])


def judge(row: Row, values: Sequence[float | None]) -> str:
    """All comparisons true: reproduced; some: in part; none: not reproduced.

    Without comparisons the verdict is `by_hand`. A number that is not there yet: pending.
    """
    if None in values:
        return "pending"
    if not row.get("holds"):
        return str(row["by_hand"])
    true = sum(compare(one, values) for one in row["holds"])
    return {len(row["holds"]): "reproduced", 0: "not reproduced"}.get(true, "in part")


def renewed(row: Row, records: Records) -> Row:
    """The row with its DERIVED fields as they follow from the results. Raises ValueError."""
    cites = row.get("cites", [])
    values = [resolve(cite, records) for cite in cites]
    verdict = judge(row, values)
    ours = "" if verdict == "pending" else str(row["form"]).format(*values)
    found = [one for cite in cites for one in all_records(cite, records)]
    derived = {
        "ours": ours,
        "verdict": verdict,
        "compute": _compute(found) or row.get("compute_by_hand", "no training of ours"),
        "command": _commands(found) or row.get("command_by_hand", ""),
    }
    return {**row, **derived}


def _commands(found: Iterable[tuple[str, dict]]) -> str:
    """What made the cited records, and into which file."""
    pairs = {
        (r["command"].split(" --only")[0], name)
        for name, r in found
        if r.get("command") != NOT_REPEATABLE
    }
    return "; ".join(f"{text} --out book/results/{name}.json" for text, name in sorted(pairs))


def _compute(found: Iterable[tuple[str, dict]]) -> str:
    """Minutes of training behind the cited records, and on which device."""
    runs: dict[object, tuple[float, str]] = {}
    for _, record in found:
        name = str(record["experiment"]).split("-uniform")[0].removesuffix("-untrained")
        card = zoo.WEIGHTS / f"{name}.json"
        if "seconds" in record:
            runs[name, record.get("seed")] = record["seconds"], record["device"]
        elif card.exists():
            told = json.loads(card.read_text(encoding="utf-8"))
            runs[name] = told["seconds"], told["device"]
    if not runs:
        return ""
    minutes = sum(seconds for seconds, _ in runs.values()) / 60
    devices = ", ".join(sorted({device for _, device in runs.values()}))
    plural = f"{len(runs)} trainings" if len(runs) > 1 else "1 training"
    return f"{plural}, {minutes:.0f} minutes in all ({devices})"


def explanation(row: Row) -> str:
    """`why`, or the one of its versions that belongs to the row's verdict."""
    why = row.get("why", "")
    return why if isinstance(why, str) else why.get(row["verdict"], "")


def count(rows: Iterable[Row], **wanted: object) -> dict[str, int]:
    """How many of the rows have each verdict, in the order of VERDICTS.

    wanted: only rows with these fields, as in count(rows, paper=1).
    """
    rows = [r for r in rows if all(r.get(k) == v for k, v in wanted.items())]
    counts = Counter(str(r["verdict"]) for r in rows)
    return {verdict: counts[verdict] for verdict in VERDICTS}


# --- files ---------------------------------------------------------------------------------------


def read_results(folder: Path) -> dict[str, list[dict]]:
    """The records of every results file in a folder, by the file's name."""
    found = {}
    for path in sorted(Path(folder).glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if path.stem not in ("ledger", "decisions") and "records" in content:
            found[path.stem] = content["records"]
    return found


def read(path: Path) -> list[Row]:
    """The rows of a ledger or of a file of decisions, as they are stored."""
    return json.loads(Path(path).read_text(encoding="utf-8"))["records"]


def renew(path: Path) -> list[Row]:
    """Bring a ledger up to date with the results files beside it, and return its rows."""
    with files.locked(Path(path).resolve().parent):
        records = read_results(Path(path).parent)
        rows = [renewed(row, records) for row in read(path)]
        write(path, rows)
    return rows


def write(path: Path, rows: Iterable[Row], made_by: str = "python -m cwbook ledger") -> None:
    """Write the rows to be read by people too: a line for each field and for each citation."""
    text = ",\n".join(_laid_out(row) for row in rows)
    text = f'{{"made_by": {json.dumps(made_by)}, "records": [\n{text}\n]}}\n'
    files.write(path, text.encode())


def _laid_out(row: Row) -> str:
    def value(v: object) -> str:
        if isinstance(v, list) and v and isinstance(v[0], dict):
            return "[\n  " + ",\n  ".join(json.dumps(one, ensure_ascii=False) for one in v) + "]"
        return json.dumps(v, ensure_ascii=False)

    return "{" + ",\n ".join(f"{json.dumps(k)}: {value(v)}" for k, v in row.items()) + "}"
