"""Downloads through torchvision itself, from a server on this machine."""

from __future__ import annotations

import functools
import hashlib
import http.server
import socket
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness import data
from harness.data.idx import header
from harness.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.torch

PATCH = """
import dataclasses, torchvision
from harness import data as datasets
from harness.data.declared import DECLARED, MNIST
torchvision.datasets.MNIST.mirrors = [{url!r}]
torchvision.datasets.MNIST.resources = {resources!r}
parts = tuple(dataclasses.replace(p, shape=s, sha256=h) for p, (s, h) in zip(MNIST.parts, {parts!r}))
DECLARED["mnist"] = dataclasses.replace(MNIST, parts=parts)
print("ready", flush=True); input()
found = datasets.fetch("mnist"); print(found.complete, found.sha256)
"""


class Mirror:
    """A server of the small data set, and what was asked of it."""

    def __init__(self, url: str, asked: list[str], resources: list[tuple[str, str]]) -> None:
        self.url = url
        self.asked = asked
        self.resources = resources


@pytest.fixture
def mirror(small: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """Serve the small data set over HTTP and make it torchvision's MNIST."""
    from torchvision.datasets import MNIST

    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 - named by the base class
            asked.append(str(args[0]))

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(small.raw))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    files = [f"{part.file}.gz" for part in small.declared.parts]
    md5s = [hashlib.md5((small.raw / file).read_bytes(), usedforsecurity=False).hexdigest() for file in files]
    made = Mirror(f"http://127.0.0.1:{server.server_port}/", asked, list(zip(files, md5s, strict=True)))
    monkeypatch.setattr(MNIST, "mirrors", [made.url])
    monkeypatch.setattr(MNIST, "resources", made.resources)
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_fetched_data_are_verified_and_kept(
    small: Any, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download ends as four gzip files in the cache, complete, and serves without HARNESS_DATA."""
    found = data.fetch("mnist")
    assert found.complete
    assert found.origin == "cache"
    assert np.array_equal(found.train.images, small.arrays["train-images-idx3-ubyte"])
    kept = small.cache / "MNIST" / "raw"
    assert sorted(path.name for path in kept.iterdir()) == sorted(file for file, _ in mirror.resources)
    assert sorted(path.name for path in small.cache.iterdir()) == ["MNIST", "decoded", "fetch-mnist.lock"]
    monkeypatch.delenv("HARNESS_DATA")
    assert data.load("mnist").sha256 == found.sha256
    asked = len(mirror.asked)
    data.fetch("mnist")
    assert len(mirror.asked) == asked


def test_a_damaged_cache_is_fetched_again(small: Any, mirror: Mirror) -> None:
    """What an interrupted or damaged earlier fetch left is replaced."""
    data.fetch("mnist")
    (small.cache / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"")
    (small.cache / "fetch-mnist.staging" / "MNIST").mkdir(parents=True)
    assert data.fetch("mnist").complete


@pytest.mark.slow
def test_two_processes_fetch_once(small: Any, mirror: Mirror) -> None:
    """Two processes that fetch at once both get the data, and each file is downloaded once."""
    parts = [(part.shape, part.sha256) for part in small.declared.parts]
    processes = [
        small.start(PATCH.format(url=mirror.url, resources=mirror.resources, parts=parts), stdin=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    outs = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outs[0] == outs[1]
    assert outs[0].startswith("True ")
    asked = sum(line.startswith("GET") for line in mirror.asked)
    assert asked == 2 * 4  # torchvision asks twice for a file: for redirects, then for its content


def test_a_full_disk_names_the_cache(small: Any, mirror: Mirror) -> None:
    """A download that does not fit is a StorageError with the next step, and nothing of it stays."""
    parts = [(part.shape, part.sha256) for part in small.declared.parts]
    code = PATCH.format(url=mirror.url, resources=mirror.resources, parts=parts).replace(
        'found = datasets.fetch("mnist"); ',
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))\n"
        "from harness.errors import StorageError\n"
        'try: found = datasets.fetch("mnist")\n'
        "except StorageError as error: print(error); raise SystemExit(0)\n",
    )
    process = small.start(code, stdin=True)
    out, err = process.communicate("\n", timeout=240)
    assert process.returncode == 0, err
    assert f"cannot fill the cache folder {small.cache}: the file is larger than allowed. Raise" in out
    assert [path.name for path in small.cache.iterdir()] == ["fetch-mnist.lock"]


def test_a_foreign_download_is_refused(small: Any, mirror: Mirror) -> None:
    """A mirror that serves other bytes is an error, and nothing of it reaches the cache."""
    (small.raw / "train-images-idx3-ubyte.gz").write_bytes(b"<html>sign in</html>")
    with pytest.raises(DataError, match=r"mnist could not be downloaded: .*corrupted.*Check the network"):
        data.fetch("mnist")
    assert [path.name for path in small.cache.iterdir()] == ["fetch-mnist.lock"]


def test_a_download_that_torchvision_accepts_is_still_verified(
    small: Any, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that pass torchvision's MD5 but are not the declared content are refused."""
    other = small.write("train-images-idx3-ubyte.gz", header((40, 28, 28)) + bytes(40 * 784))
    md5 = hashlib.md5(other.read_bytes(), usedforsecurity=False).hexdigest()
    fake = [(other.name, md5), *mirror.resources[1:]]
    monkeypatch.setattr("torchvision.datasets.MNIST.resources", fake)
    with pytest.raises(
        DataError, match=r"train-images-idx3-ubyte\.gz is foreign: expected 40 items with SHA-256"
    ):
        data.fetch("mnist")
    assert not (small.cache / "MNIST").exists()


def test_no_network_is_explained(small: Any, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror that does not answer is an error with the next step, and the socket time limit stays."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(
            "torchvision.datasets.MNIST.mirrors", [f"http://127.0.0.1:{closed.getsockname()[1]}/"]
        )
        with pytest.raises(
            DataError, match=r"downloaded: .*refused.*harness data fetch mnist .*HARNESS_DATA"
        ):
            data.fetch("mnist")
    assert socket.getdefaulttimeout() is None
