"""The one writer of files: whole or not at all, in the right place, and one at a time."""

from __future__ import annotations

import itertools
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cwlib import files

LONGEST = "n" * 255  # bytes of a name, on the usual file systems


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    """A mask that is nobody's default."""
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


@pytest.fixture
def nobody(tmp_path):
    """An ordinary user, whom the system refuses what it lets root do."""
    if os.geteuid():
        yield
        return
    for folder in itertools.takewhile(lambda f: f != Path(tempfile.gettempdir()), tmp_path.parents):
        folder.chmod(0o755)
    os.chown(tmp_path, 65534, 65534)
    os.setresuid(65534, 65534, 0)
    yield
    os.setresuid(0, 0, 0)


# --- what is there afterwards --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["o.cwc", LONGEST])
def test_a_new_file_has_the_content_the_users_mode_and_no_company(tmp_path, umask, name):
    files.check_place(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    files.write(tmp_path / name, b"new")
    assert (tmp_path / name).read_bytes() == b"new" and mode(tmp_path / name) == 0o666 & ~umask
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode_and_its_owner(tmp_path, kept):
    path = tmp_path / "o.cwc"
    path.write_bytes(b"old")
    if not os.geteuid():
        os.chown(path, 65534, 65534)
    path.chmod(kept)
    before = path.stat()
    files.write(path, b"new")
    assert path.read_bytes() == b"new" and mode(path) == kept
    assert (path.stat().st_uid, path.stat().st_gid) == (before.st_uid, before.st_gid)


def test_files_of_likely_temporary_names_are_left_alone(tmp_path):
    """They may be the user's own, the input, or links to what matters."""
    mine = [tmp_path / f"o.cwc{end}" for end in (".part", ".tmp", "~", ".lock")]
    mine += [tmp_path / f".o.cwc{end}" for end in (".part", ".tmp", ".swp")]
    for path in mine:
        path.write_bytes(b"mine")
    files.write(tmp_path / "o.cwc", b"new")
    assert all(path.read_bytes() == b"mine" for path in mine)
    assert len(list(tmp_path.iterdir())) == len(mine) + 1


@pytest.mark.parametrize("there", [True, False], ids=["a file", "nothing yet"])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path, there):
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "real.cwc"
    if there:
        target.write_bytes(b"old")
    (tmp_path / "second").symlink_to(target)
    (tmp_path / "first").symlink_to("second")
    files.check_place(tmp_path / "first")
    files.write(tmp_path / "first", b"new")
    assert target.read_bytes() == b"new" and not target.is_symlink()
    assert (tmp_path / "first").is_symlink() and (tmp_path / "second").is_symlink()
    assert [p.name for p in target.parent.iterdir()] == ["real.cwc"]


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    files.check_place(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    files.write(tmp_path / "pipe", b"new" * 100_000)
    reader.join()
    assert read == [b"new" * 100_000] and (tmp_path / "pipe").is_fifo()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_device_stays_a_device(tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    files.write(tmp_path / "null", b"new")
    with pytest.raises(OSError, match="^cannot write /dev/full: No space left on device$"):
        files.write(Path("/dev/full"), b"new")
    assert Path("/dev/null").is_char_device() and Path("/dev/full").is_char_device()


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="no /dev/stdout on this system")
def test_a_file_that_somebody_writes_to_is_not_replaced_by_the_name_of_its_descriptor(tmp_path):
    with open(tmp_path / "log", "w+b") as log:
        log.write(b"mine")
        log.flush()
        for name in (f"/dev/fd/{log.fileno()}", f"/proc/self/fd/{log.fileno()}"):
            for attempt in (files.check_place, lambda path: files.write(path, b"new")):
                with pytest.raises(OSError, match=f"^cannot write {name}: it is a file that is"):
                    attempt(Path(name))
        assert (tmp_path / "log").read_bytes() == b"mine"


# --- what cannot be written ----------------------------------------------------------------------


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path, nobody):
    for name in ("folder", "locked"):
        (tmp_path / name).mkdir()
    for name in ("plain", "finished", "locked/old"):
        (tmp_path / name).write_bytes(b"old")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("none/o")
    (tmp_path / "finished").chmod(0o444)
    (tmp_path / "locked").chmod(0o555)
    refused = {
        "folder": "it is there and is not a plain file",
        "no/such": f"there is no folder {tmp_path / 'no'}",
        "nowhere": f"there is no folder {tmp_path / 'none'}",
        "plain/o": f"there is no folder {tmp_path / 'plain'}",
        "loop": "Too many levels of symbolic links",
        LONGEST + "n": "File name too long",
        "finished": "it is read-only",
        "locked/new": "Permission denied",
        "locked/old": "Permission denied",
    }
    for name, why in refused.items():
        for attempt in (files.check_place, lambda path: files.write(path, b"new")):
            with pytest.raises(OSError) as caught:
                attempt(tmp_path / name)
            assert str(caught.value) == f"cannot write {tmp_path / name}: {why}"
    left = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(left) == 3 and all(p.read_bytes() == b"old" for p in left)


def test_what_is_read_is_not_replaced_by_what_is_made_of_it(tmp_path):
    (tmp_path / "a.png").write_bytes(b"picture")
    (tmp_path / "same.png").symlink_to("a.png")
    os.link(tmp_path / "a.png", tmp_path / "hard.png")
    for name in ("a.png", "same.png", "hard.png"):
        with pytest.raises(OSError, match="it is the file to be read: give"):
            files.check_place(tmp_path / name, tmp_path / "none", tmp_path / "a.png")
    files.check_place(tmp_path / "b.png", tmp_path / "none", tmp_path / "a.png")


# --- death, and several at once ------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from cwlib import files
{where} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
files.write(Path(sys.argv[1]), b"new")
"""


@pytest.mark.parametrize("where", ["os.fsync", "os.replace"])
def test_a_killed_writer_leaves_the_file_and_a_part_that_is_swept_an_hour_later(tmp_path, where):
    path = tmp_path / "o.cwc"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED.format(where=where), path])
    assert done.returncode == -signal.SIGKILL and path.read_bytes() == b"old"
    [part] = [p for p in tmp_path.iterdir() if p != path]
    assert part.name.startswith(".cwlib-") and part.suffix == ".part"
    files.sweep(tmp_path)
    assert part.exists()  # it might be another's who is still at work
    long_ago = part.stat().st_mtime - files.LEFT_OVER_SECONDS
    os.utime(part, (long_ago, long_ago))
    files.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    events, synced, replaced = [], os.fsync, os.replace

    def sync(handle):
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        events.append((kind, os.fstat(handle).st_size == 3 or kind == "folder"))
        synced(handle)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("name"), replaced(a, b)))
    files.write(tmp_path / "o.cwc", b"new")
    assert events == [("file", True), "name", ("folder", True)]


COUNTER = """
import sys
from pathlib import Path
from cwlib import files
path = Path(sys.argv[1])
for _ in range(50):
    with files.locked(path.parent):
        files.write(path, str(int(path.read_bytes()) + 1).encode())
"""


def test_who_reads_changes_and_writes_under_a_lock_loses_nothing(tmp_path):
    path = tmp_path / "count"
    path.write_bytes(b"0")
    running = [subprocess.Popen([sys.executable, "-c", COUNTER, path]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert path.read_bytes() == b"150" and list(tmp_path.iterdir()) == [path]


def test_writers_at_once_without_a_lock_leave_the_file_of_one_of_them(tmp_path):
    path, contents = tmp_path / "o.cwc", [bytes([k]) * 200_000 for k in range(4)]

    def writer(content):
        for _ in range(20):
            files.write(path, content)
            assert path.read_bytes() in contents

    with ThreadPoolExecutor(len(contents)) as pool:
        list(pool.map(writer, contents))
    assert path.read_bytes() in contents and list(tmp_path.iterdir()) == [path]


def test_a_taken_lock_is_waited_for_or_told_and_freed_at_the_end(tmp_path):
    lock, taken = tmp_path / "lock", RuntimeError("another one is at work")
    with files.locked(lock):
        with pytest.raises(RuntimeError, match="another one"), files.locked(lock, taken):
            pass
    with files.locked(lock, taken):
        pass
