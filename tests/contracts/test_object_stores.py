"""What every ObjectStore promises, over every adapter; then what a folder must survive."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from include.errors import CommitConflictError, LakeError
from include.storage.files import lake_errors
from include.storage.memory import MemoryObjects
from include.storage.objects import LocalObjects, ObjectStore
from include.storage.s3_objects import S3Objects
from include.storage.s3_place import S3Place
from tests.s3.stores import Store


@pytest.fixture(params=["local", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return LocalObjects(tmp_path / "lake")
    if request.param == "memory":
        return MemoryObjects()
    server: Store = request.getfixturevalue("s3")
    return S3Objects(S3Place(server.bucket(), "a lake/"), server.access())


def test_what_was_written_is_read_back_with_its_etag(store):
    etag = store.write("a/b.json", b"one")
    stored = store.read("a/b.json")
    assert (stored.data, stored.etag) == (b"one", etag)


def test_an_object_that_does_not_exist_reads_as_none(store):
    assert store.read("nothing.json") is None


def test_an_empty_object_is_not_an_absent_one(store):
    store.write("empty", b"")
    assert store.read("empty").data == b""
    with pytest.raises(CommitConflictError):
        store.write_if("empty", b"x", None)


def test_a_write_replaces_the_whole_object(store):
    store.write("a", b"a long first version")
    store.write("a", b"short")
    assert store.read("a").data == b"short"


def test_creating_succeeds_once(store):
    store.write_if("a", b"first", None)
    with pytest.raises(CommitConflictError):
        store.write_if("a", b"second", None)
    assert store.read("a").data == b"first"


def test_the_holder_of_an_old_etag_loses(store):
    old = store.write("a", b"one")
    new = store.write_if("a", b"two", old)
    with pytest.raises(CommitConflictError):
        store.write_if("a", b"three", old)
    store.write_if("a", b"four", new)
    assert store.read("a").data == b"four"


def test_the_etag_of_a_deleted_object_is_worth_nothing(store):
    etag = store.write("a", b"one")
    store.delete("a")
    with pytest.raises(CommitConflictError):
        store.write_if("a", b"two", etag)
    assert store.read("a") is None


def test_deleting_what_is_not_there_does_nothing(store):
    store.delete("nothing")


def test_a_listing_is_sorted_and_limited_to_its_prefix(store):
    for path in ("b/2", "b/10", "a", "bb", "b/c/d"):
        store.write(path, b"x")
    assert list(store.list()) == ["a", "b/10", "b/2", "b/c/d", "bb"]
    assert list(store.list("b/")) == ["b/10", "b/2", "b/c/d"]
    assert list(store.list("b")) == ["b/10", "b/2", "b/c/d", "bb"]
    assert list(store.list("nowhere/")) == []


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../up", "a/../../up", ".hidden", "a//b", "."])
def test_a_folder_refuses_a_path_that_could_leave_it(tmp_path, path):
    with pytest.raises(LakeError, match="relative"):
        LocalObjects(tmp_path).write(path, b"x")


COUNT = """
import json, sys
from pathlib import Path
from include.errors import CommitConflictError
from include.storage.objects import LocalObjects
store = LocalObjects(Path(sys.argv[1]))
done = 0
while done < 25:
    found = store.read("count.json")
    try:
        value = json.loads(found.data) + 1 if found else 1
        store.write_if("count.json", json.dumps(value).encode(), found.etag if found else None)
        done += 1
    except CommitConflictError:
        pass
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def test_processes_that_count_together_lose_no_count(tmp_path):
    processes = [start(COUNT, tmp_path) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    for process in processes:
        process.stdout.close()
    assert json.loads(LocalObjects(tmp_path).read("count.json").data) == 100


DIE_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from include.storage.objects import LocalObjects

store = LocalObjects(Path(sys.argv[1]))
write = Path.write_bytes
def half(path, data):
    write(path, data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
Path.write_bytes = half
store.write("a", b"the new version")
"""


def test_a_writer_killed_half_way_leaves_the_old_object_and_no_lock(tmp_path):
    store = LocalObjects(tmp_path)
    etag = store.write("a", b"the old version")
    dying = start(DIE_WHILE_WRITING, tmp_path)
    assert dying.wait(60) == -signal.SIGKILL
    dying.stdout.close()
    assert store.read("a").data == b"the old version"
    assert list(store.list()) == ["a"]
    assert store.write_if("a", b"the next version", etag)


FULL_DISK = """
import resource, sys
from pathlib import Path
from include.errors import LakeError
from include.storage.objects import LocalObjects
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    LocalObjects(Path(sys.argv[1])).write("a", b"x" * 100_000)
except LakeError as error:
    print(error)
"""


def test_a_disk_that_takes_no_more_is_one_sentence_and_keeps_the_old_object(tmp_path):
    LocalObjects(tmp_path).write("a", b"old")
    refused = start(FULL_DISK, tmp_path)
    message, _ = refused.communicate(timeout=60)
    assert message.startswith("The lake cannot use")
    assert LocalObjects(tmp_path).read("a").data == b"old"
    assert not list(tmp_path.glob(".a*"))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_to_free_space(code):
    with pytest.raises(LakeError, match="Free space"), lake_errors(Path("/lake/a")):
        raise OSError(code, os.strerror(code))


def test_a_root_that_cannot_be_a_folder_is_a_lake_error(tmp_path):
    (tmp_path / "lake").write_text("a file stands here")
    with pytest.raises(LakeError, match="lake"):
        LocalObjects(tmp_path / "lake").write("a", b"x")
