"""The ledger: what came out of every claim of both papers, recomputed from the results files.

`cwbook.claims` says for each claim what is read, what it comes to in words, and what has to hold.
`python -m cwbook ledger` writes the outcomes to book/results/ledger.json; a test fails where they
are stale.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from cwbook import rd_curves
from cwbook.results import apart
from cwlib import files, zoo

VERDICTS = ("reproduced", "in part", "not reproduced", "cannot be judged", "pending")
KINDS = ("number", "comparison", "description", "judgement")
SOURCES = {1: "wu_content_weighted", 2: "he2020adaptive"}
NOT_REPEATABLE = "typed from the source"  # the command of figures that others published

Row = dict[str, object]
_NUMBER = r"([-+]?[\d,.]*\d)"


class NotMeasured(LookupError):
    """A results file does not have the record yet."""


@dataclass(eq=False)
class Results:
    """Records of results files by the file's name, and which of them were read, for `command`.

    book: the folder whose chapters `printed` reads.
    """

    files: Mapping[str, Sequence[dict]]
    book: Path = Path()
    used: list[tuple[str, dict]] = field(default_factory=list)
    chapters: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> Results:
        """The results files of a folder in the book."""
        records = {}
        for path in sorted(Path(folder).glob("*.json")):
            content = json.loads(path.read_text(encoding="utf-8"))
            if path.stem not in ("ledger", "decisions") and "records" in content:
                records[path.stem] = content["records"]
        return cls(records, Path(folder).parent)

    def afresh(self) -> Results:
        """The same records, none of them read."""
        return Results(self.files, self.book)

    def records(self, file: str, experiment: object, **where: object) -> list[dict]:
        """The records of an experiment, means of its images where nothing else is said.

        A list means any of its members, `*` in a text any letters, None a field that is not there.
        Raises NotMeasured where there is none. Records that are `results.APART` have to be named.
        """
        where = {"experiment": experiment, "image": "mean", "kind": None, **where}
        rows = [
            r
            for r in self.files.get(file, ())
            if not apart(r, where) and all(_fits(r.get(k), v) for k, v in where.items())
        ]
        if not rows:
            raise NotMeasured(f"{file}.json has no record with {where}")
        self.used += [(file, r) for r in rows]
        return rows

    def one(self, file: str, experiment: str, **where: object) -> dict:
        """The only such record. Raises NotMeasured, and ValueError where there are several."""
        rows = self.records(file, experiment, **where)
        if len(rows) > 1:
            raise ValueError(f"{experiment} of {file}.json is {len(rows)} records: say which one")
        return rows[0]

    def at(self, rate: float, measure: str, file: str, experiment: str, **where: object) -> float:
        """The measure on the straight lines between an experiment's points, at a rate in bpp."""
        return at(self.records(file, experiment, **where), measure, rate)

    def seeds(self, measure: str, experiment: str, **where: object) -> list[float]:
        """The measure of every run of a member of a study."""
        rows = self.records("ablations", experiment, **where)
        return [r[measure] for r in rows]

    def seeds_at(
        self, rate: float, measure: str, experiment: object, **where: object
    ) -> list[float]:
        """The same at a rate, on the curve through several members (over the rate's logarithm)."""
        curves = by_seed(self.records("ablations", experiment, **where))
        return [at(rows, measure, rate, log=True) for rows in curves.values()]

    def gains(self, measure: str, ours: Mapping, theirs: Mapping) -> list[float]:
        """How far, seed by seed, one curve lies above another over the rates that both reach."""
        curves = [by_seed(self.records("ablations", **members)) for members in (ours, theirs)]
        a, b = (
            {seed: [(r["bpp"], r[measure]) for r in rows] for seed, rows in curve.items()}
            for curve in curves
        )
        try:
            gains = [rd_curves.mean_gain(a[seed], b[seed]) for seed in sorted(a.keys() & b.keys())]
        except ValueError as error:  # a curve of one point, or two that share no rates
            raise NotMeasured(str(error)) from error
        if not gains:
            raise NotMeasured(f"no seed that both {ours} and {theirs} have")
        return gains

    def printed(self, chapter: str, cell: str, pattern: str) -> float:
        """The number that stands for `#` in a regular expression, in a cell's stored output.

        Raises ValueError where the cell does not show it.
        """
        notebook = json.loads((self.book / f"{chapter}.ipynb").read_text(encoding="utf-8"))
        outputs = [o for c in notebook["cells"] if c["id"] == cell for o in c.get("outputs", ())]
        text = "\n".join("".join(_readable(output)) for output in outputs)
        match = re.search(pattern.replace("#", _NUMBER), text)
        if match is None:
            raise ValueError(f"no {pattern!r} in {chapter}, cell {cell}: {text!r}")
        self.chapters.append(chapter)
        return float(match[1].replace(",", ""))


def _readable(output: Mapping) -> Sequence[str]:
    data = output.get("data", {})
    return output.get("text") or data.get("text/markdown") or data.get("text/plain") or ()


def _fits(value: object, allowed: object) -> bool:
    if isinstance(allowed, list):
        return any(_fits(value, one) for one in allowed)
    if isinstance(allowed, str) and isinstance(value, str):
        return fnmatchcase(value, allowed)
    return value == allowed


def by_seed(rows: Iterable[dict]) -> dict[int, list[dict]]:
    """Records in groups of one seed each."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["seed"]].append(row)
    return groups


def at(rows: Iterable[dict], measure: str, rate: float, log: bool = False) -> float:
    """A measure at a rate, on straight lines between records. Raises NotMeasured outside of them.

    log: lines over the logarithm of the rate, better where points lie far apart. MS-SSIM crowds
    towards 1, so its lines are straight in decibels, -10 log10(1 - x).
    """
    points = sorted((r["bpp"], r[measure]) for r in rows if measure in r)
    x, y = np.array(points, dtype=float).reshape(-1, 2).T
    if not len(x) or not x[0] <= rate <= x[-1]:
        raise NotMeasured(f"no {measure} at {rate} bpp: the points are {points}")
    if log:
        x, rate = np.log(x), math.log(rate)
    if measure.startswith("ms_ssim"):
        return float(1 - 10 ** (-np.interp(rate, x, -10 * np.log10(1 - y)) / 10))
    return float(np.interp(rate, x, y))


@dataclass(eq=False)
class Claim:
    """One sentence of a paper. Its id is the paper's number and its own, `1-07`.

    outcome: gives `ours` from the results, with what has to hold for the claim to be reproduced;
    where a `verdict` is given by hand, `ours` alone. why: a text, or one for each verdict, behind
    what was done in any case, the `setting`.
    """

    id: str
    place: str
    kind: str
    text: str
    quote: str
    paper_value: str
    chapter: str
    why: str | dict[str, str]
    setting: str = ""
    verdict: str = ""
    needed: str = ""
    ours: str = ""
    compute: str = ""
    outcome: Callable[[Results], object] | None = None

    def judged(self, results: Results) -> Row:
        """The claim's row of the ledger."""
        results = results.afresh()
        ours, verdict = self.ours, self.verdict
        try:
            if self.outcome and verdict:
                ours = self.outcome(results)
            elif self.outcome:
                ours, holds = self.outcome(results)
                verdict = judge(holds)
        except (NotMeasured, KeyError):  # no record, or none with that field
            ours, verdict = "", "pending"
        paper = int(self.id[0])
        row = {
            "id": self.id,
            "paper": paper,
            "source": SOURCES[paper],
            "place": self.place,
            "kind": self.kind,
            "claim": self.text,
            "quote": self.quote,
            "paper_value": self.paper_value,
            "why": self.explanation(verdict),
            "chapter": self.chapter,
            "ours": ours,
            "verdict": verdict,
            "compute": _compute(results.used) or self.compute or "no training of ours",
            "command": _commands(results.used),
        }
        return {**row, "needed": self.needed} if self.needed else row

    def explanation(self, verdict: str) -> str:
        """Why this verdict; "" where nobody has written that yet."""
        if isinstance(self.why, str):
            return self.why
        if verdict == "pending":
            return self.setting or next(iter(self.why.values()))
        return f"{self.setting} {self.why[verdict]}".strip() if verdict in self.why else ""


def judge(holds: Sequence[bool]) -> str:
    """All true: reproduced; some: in part; none: not reproduced."""
    true = sum(map(bool, holds))
    return {len(holds): "reproduced", 0: "not reproduced"}.get(true, "in part")


def _commands(used: Iterable[tuple[str, dict]]) -> str:
    """What made these records, and into which file."""
    pairs = {
        (r["command"].split(" --only")[0], name)
        for name, r in used
        if r.get("command") != NOT_REPEATABLE
    }
    return "; ".join(f"{text} --out book/results/{name}.json" for text, name in sorted(pairs))


def _compute(used: Iterable[tuple[str, dict]]) -> str:
    """Minutes of training behind these records, and on which device."""
    runs: dict[object, tuple[float, str]] = {}
    for _, record in used:
        name = str(record["experiment"]).split("-uniform")[0].removesuffix("-untrained")
        card = zoo.WEIGHTS / f"{name}.json"
        if "seconds" in record:
            runs[name, record.get("seed")] = record["seconds"], record["device"]
        elif card.exists():
            training = json.loads(card.read_text(encoding="utf-8"))
            runs[name] = training["seconds"], training["device"]
    if not runs:
        return ""
    minutes = sum(seconds for seconds, _ in runs.values()) / 60
    devices = ", ".join(sorted({device for _, device in runs.values()}))
    plural = f"{len(runs)} trainings" if len(runs) > 1 else "1 training"
    return f"{plural}, {minutes:.0f} minutes in all ({devices})"


def count(rows: Iterable[Row], **fields: object) -> dict[str, int]:
    """How many of the rows with these fields have each verdict: count(rows, paper=1)."""
    rows = [r for r in rows if all(r.get(k) == v for k, v in fields.items())]
    counts = Counter(str(r["verdict"]) for r in rows)
    return {verdict: counts[verdict] for verdict in VERDICTS}


def read(path: Path) -> list[Row]:
    """The rows of a ledger or of a file of decisions, as they are stored."""
    return json.loads(Path(path).read_text(encoding="utf-8"))["records"]


def renew(path: Path, claims: Iterable[Claim]) -> list[Row]:
    """Judge the claims by the results files beside the ledger, write it, and return its rows."""
    with files.locked(Path(path).resolve().parent):
        results = Results.of(Path(path).parent)
        rows = [claim.judged(results) for claim in claims]
        write(path, rows)
    return rows


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows to be read by people too, a line for each field."""
    text = ",\n".join(_laid_out(row) for row in rows)
    text = f'{{"made_by": "python -m cwbook ledger", "records": [\n{text}\n]}}\n'
    files.write(path, text.encode())


def _laid_out(row: Row) -> str:
    def value(v: object) -> str:
        if isinstance(v, list) and v and isinstance(v[0], dict):
            return "[\n  " + ",\n  ".join(json.dumps(one, ensure_ascii=False) for one in v) + "]"
        return json.dumps(v, ensure_ascii=False)

    return "{" + ",\n ".join(f"{json.dumps(k)}: {value(v)}" for k, v in row.items()) + "}"
