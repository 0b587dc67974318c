"""Several processes that train one model together, as torchrun starts them.

    torchrun --nproc-per-node 2 -m cwlib train kodak-mstar

Each process has a rank and takes its rows of every batch; DistributedDataParallel averages their
gradients. Rank 0 leads: its clock counts, it hears STOPS, it shows the progress and writes the
files. A single process is a team of one, for which everything here does nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

# What asks a run to end: Ctrl-C, `kill` and the end of a job, a terminal that is closed.
STOPS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]


@dataclass(frozen=True)
class Team:
    """The processes of a run, seen from one of them."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def rows(self, batch_size: int) -> slice:
        """The rows of a batch that this process computes. Raises ValueError for odd shares."""
        if batch_size % self.size:
            raise ValueError(
                f"a batch of {batch_size} cannot be shared equally among {self.size} processes"
            )
        share = batch_size // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def agree(self, value: float) -> float:
        """What rank 0 holds for `value`, in every process."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(shared, src=0)
        return shared.item()

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the processes. What is not finite in one is not finite in the mean."""
        if self.size == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.size

    def wrap(self, net: nn.Module) -> nn.Module:
        """The net such that a backward pass leaves the mean gradient in every process."""
        if self.size == 1:
            return net
        own = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(net, device_ids=own)


@contextlib.contextmanager
def join(device: torch.device) -> Iterator[Team]:
    """This process's team: what torchrun started together, or itself alone.

    On GPUs each process takes the one of its local rank. Raises ValueError on other devices than
    CUDA and CPU.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    elif device.type != "cpu":
        raise ValueError(f"several processes train on CUDA GPUs or CPUs, not on {device}")
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    team = Team(device, dist.get_rank(), size)
    # the others are told by the leader, who first ends the step and saves
    deaf = contextlib.nullcontext() if team.leads else heard(signal.SIG_IGN)
    try:
        with deaf:
            yield team
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def heard(handler: Callable[[int, object], None] | signal.Handlers) -> Iterator[None]:
    """STOPS go to a handler, but for those that are ignored already (nohup, other ranks).

    Python runs handlers in the main thread, so in others nothing changes.
    """
    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for stop in STOPS:
                if signal.getsignal(stop) not in (signal.SIG_IGN, None):
                    before[stop] = signal.signal(stop, handler)
        yield
    finally:
        for stop, old in before.items():
            signal.signal(stop, old)


def share_statistics(net: nn.Module, team: Team) -> nn.Module:
    """Batch normalisation over the whole batch, not over each process's rows of it.

    PyTorch has that on GPUs alone: raises ValueError for such a net on CPUs.
    """
    normalised = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in net.modules())
    if team.size == 1 or not normalised:
        return net
    if team.device.type != "cuda":
        raise ValueError(
            "this net has batch normalisation, whose statistics several processes can share on "
            "GPUs alone: train it in one process"
        )
    return nn.SyncBatchNorm.convert_sync_batchnorm(net)
