"""Two processes on the CPU against one process with the same batches."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cwlib import experiments, parallel, training
from cwlib.training import Budget

# SGD, so that weights differ by as little as gradients do; Adam turns a gradient of nearly zero
# into a whole step, up or down.
TINY = replace(
    experiments.get("kodak-mstar-n64"),
    name="tiny-photo",
    width=4,
    batch_size=4,
    crop=32,
    optimizer="sgd",
    lr=1e-3,
    ema=0.5,
)
PHOTOS = [np.random.default_rng(k).integers(0, 256, (48, 64, 3), dtype=np.uint8) for k in range(3)]
STEPS = 6
CPU = torch.device("cpu")

CHILD = """
import math, os, signal, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import test_parallel
from cwlib import training
folder, trouble, resume = sys.argv[2], sys.argv[3], sys.argv[4] == "True"
training.CHECKPOINT_SECONDS = 1e9 if trouble.startswith("SIG") else -1.0
step, terms, rank = training._Loop.one_step, training.Objective.forward, int(os.environ["RANK"])
def one_step(loop, *args):
    if trouble == "kill" and loop.step == 4 and rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble.startswith("SIG") and loop.step == 2 + rank:  # nobody is quite at the same place
        os.kill(os.getpid(), getattr(signal, trouble))
    step(loop, *args)
def loss_terms(*args):
    found = terms(*args)
    if trouble == "nan" and rank == 1:
        found["loss"] = found["loss"] * math.nan
    return found
training._Loop.one_step, training.Objective.forward = one_step, loss_terms
try:
    run = test_parallel.train(folder, resume=resume)
    assert (run.processes, run.leads) == (2, rank == 0)
except KeyboardInterrupt:
    sys.exit(130)
except training.TrainingStopped as error:
    print(error)
    sys.exit(2)
"""


def train(folder: Path, **more) -> training.Run:
    more = {"device": "cpu", "images": PHOTOS, "progress_bar": False, "half": False, **more}
    return training.train(TINY, folder, Budget(steps=STEPS), log_every=1, **more)


def two(folder: Path, trouble: str = "none", resume: bool = False) -> list[tuple[int, str]]:
    """Train in two processes; exit status and output of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    group |= {"OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", CHILD, __file__, str(folder), trouble, str(resume)]
    running = [
        subprocess.Popen(
            words,
            env={**os.environ, **group, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for rank in range(2)
    ]
    try:
        told = [process.communicate(timeout=120) for process in running]
    finally:
        for process in running:
            process.kill()
    return [
        (process.returncode, out + err) for process, (out, err) in zip(running, told, strict=True)
    ]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[training.Run, dict]:
    """The run of one process, and its checkpoint."""
    folder = tmp_path_factory.mktemp("alone")
    run = train(folder)
    return run, torch.load(folder / "checkpoint.pt", weights_only=True)


def check_like(alone: tuple[training.Run, dict], folder: Path) -> None:
    run, state = alone
    found = torch.load(folder / "checkpoint.pt", weights_only=True)
    curve = json.loads(found["curve"])
    assert found["step"] == STEPS == len(curve)
    for key in ("loss", "psnr", "bpp", "kept"):
        wanted = [row[key] for row in run.curve]
        assert [row[key] for row in curve] == pytest.approx(wanted, rel=1e-4), key
    for part in ("model", "average"):
        torch.testing.assert_close(found[part], state[part], rtol=1e-3, atol=1e-4)


def test_two_processes_have_the_losses_and_weights_of_one(tmp_path, alone):
    assert [status for status, _ in two(tmp_path)] == [0, 0]
    check_like(alone, tmp_path)


def test_a_killed_pair_resumes_to_the_losses_and_weights_of_one(tmp_path, alone):
    (status, said), (killed, _) = two(tmp_path, "kill")
    assert killed == -signal.SIGKILL and status != 0, said
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4
    assert [status for status, _ in two(tmp_path, resume=True)] == [0, 0]
    check_like(alone, tmp_path)


def test_a_loss_that_is_not_finite_in_one_process_stops_both_with_one_message(tmp_path):
    (first, said), (second, silent) = two(tmp_path, "nan")
    assert (first, second) == (2, 2)
    assert "the loss became infinite or not a number at step 0" in said and "\n" not in said.strip()
    assert silent == ""


@pytest.mark.parametrize("stop", ["SIGINT", "SIGTERM"])  # torchrun sends the latter to all
def test_a_wish_to_stop_ends_the_step_of_both_and_keeps_it(tmp_path, alone, stop):
    assert [status for status, _ in two(tmp_path, stop)] == [130, 0]
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 3
    run = train(tmp_path, resume=True)  # in one process now
    assert [row["loss"] for row in run.curve] == pytest.approx(
        [row["loss"] for row in alone[0].curve], rel=1e-4
    )


def test_under_torchrun_one_process_writes_weights_and_card(tmp_path):
    for k, photo in enumerate(np.random.default_rng(0).integers(0, 256, (2, 130, 140, 3))):
        Image.fromarray(photo.astype(np.uint8)).save(tmp_path / f"{k}.png")
    words = "-m torch.distributed.run --nproc-per-node 2 --standalone -m cwlib train"
    words += " kodak-mstar-n64 --width 4 --steps 2 --device cpu --photos . --runs runs --out out"
    done = subprocess.run(
        [sys.executable, *words.split()],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("kodak-mstar-n64: 2 steps") == 1
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "kodak-mstar-n64.json",
        "kodak-mstar-n64.safetensors",
    ]
    assert '"device": "cpu, 1 thread x 2"' in (tmp_path / "out/kodak-mstar-n64.json").read_text(
        encoding="utf-8"
    )


# --- one process: its share, what it refuses -----------------------------------------------------


def test_the_rows_of_all_processes_are_the_batch():
    teams = [parallel.Team(CPU, rank, 4) for rank in range(4)]
    assert sum((list(range(8))[team.rows(8)] for team in teams), []) == list(range(8))
    assert [team.leads for team in teams] == [True, False, False, False]


def test_a_batch_that_cannot_be_shared_equally_is_refused():
    with pytest.raises(ValueError, match="a batch of 8 cannot be shared equally among 3 processes"):
        parallel.Team(CPU, 0, 3).rows(8)


def test_one_process_is_a_team_that_changes_nothing(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    net, values = torch.nn.BatchNorm2d(3), torch.tensor([1.0, torch.nan])
    with parallel.join(CPU) as team:
        assert (team.rank, team.size, team.device) == (0, 1, CPU)
        assert team.wrap(net) is net and parallel.share_statistics(net, team) is net
        assert team.mean(values) is values and team.agree(0.3) == 0.3
        assert team.rows(5) == slice(0, 5)


def test_batch_normalisation_is_refused_on_cpus_and_shared_on_gpus():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    with pytest.raises(ValueError, match="batch normalisation.* train it in one process"):
        parallel.share_statistics(net, parallel.Team(CPU, 0, 2))
    gpu = parallel.Team(torch.device("cuda", 0), 0, 2)
    assert isinstance(parallel.share_statistics(net, gpu)[1], torch.nn.SyncBatchNorm)
    assert parallel.share_statistics(net[0], gpu) is net[0]


def test_a_device_that_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="not on mps"), parallel.join(torch.device("mps")):
        pass
