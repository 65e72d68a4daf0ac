"""Downloads, from a server on this machine: verified before they are used, made once, and explained when they fail."""

from __future__ import annotations

import functools
import gzip
import http.server
import socket
import threading
import typing

import numpy as np
import pytest

from harness import data
from harness.data import fetching
from harness.data.declared import DECLARED
from harness.errors import DataError, StorageError, UnknownNameError
from tests.data.conftest import encode

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.data.conftest import Small


@pytest.fixture
def downloads(small: Small, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Serve the small data set and declare that address; return the lines of the requests."""
    requests: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002 - named by the base class
            requests.append(str(args[0]))

    handler = functools.partial(Handler, directory=str(small.raw))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        small.declare(address=f"http://127.0.0.1:{server.server_port}/")
        yield requests
        server.shutdown()
        thread.join()


def test_fetched_data_are_verified_and_kept(
    small: Small, downloads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download ends as four gzip files in the cache, complete, and serves without HARNESS_DATA; a second fetch asks for nothing."""
    fetched = data.fetch("mnist")
    assert (fetched.complete, fetched.origin) == (True, "cache")
    assert np.array_equal(fetched.train.images, small.arrays["train-images-idx3-ubyte"])
    kept = small.cache / "MNIST" / "raw"
    assert sorted(path.name for path in kept.iterdir()) == sorted(f"{file}.gz" for file in small.arrays)
    assert sorted(path.name for path in small.cache.iterdir()) == ["MNIST", "decoded", "fetch-mnist.lock"]
    monkeypatch.delenv("HARNESS_DATA")
    assert data.load("mnist").sha256 == fetched.sha256
    data.fetch("mnist")
    assert len(downloads) == 4


def test_a_damaged_cache_is_fetched_again(small: Small, downloads: list[str]) -> None:
    """What an interrupted or damaged earlier fetch left is replaced."""
    data.fetch("mnist")
    (small.cache / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"")
    (small.cache / "fetch-mnist.staging" / "MNIST").mkdir(parents=True)
    assert data.fetch("mnist").complete


def test_two_fetches_at_once_download_once(small: Small, downloads: list[str]) -> None:
    """Both get the data, and each file is downloaded once."""
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda: results.append(data.fetch("mnist").complete)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=240)
    assert results == [True, True]
    assert len(downloads) == 4


def test_what_is_not_the_original_is_refused(
    small: Small, downloads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page, other images, fewer images and an answer that is too long are errors, and nothing of them reaches the cache."""
    name = "train-images-idx3-ubyte.gz"
    for content, told in (
        (b"<html>sign in</html>", "is not gzip"),
        (gzip.compress(encode(np.zeros((40, 28, 28), np.uint8))), "is foreign: expected 40 items with SHA"),
        (None, r"is not the original: .*incomplete"),
        (bytes(5000), "the answer is longer than 4,000 bytes"),
    ):
        if content is None:
            small.write(name, encode(small.arrays["train-images-idx3-ubyte"][:9]))
            small.write("train-labels-idx1-ubyte.gz", encode(small.arrays["train-labels-idx1-ubyte"][:9]))
        else:
            (small.raw / name).write_bytes(content)
        if len(content or b"") == 5000:
            monkeypatch.setattr(fetching, "MOST_BYTES", 4000)
        with pytest.raises(DataError, match=told):
            data.fetch("mnist")
        assert [path.name for path in small.cache.iterdir()] == ["fetch-mnist.lock"]


def test_no_network_is_explained(small: Small, downloads: list[str]) -> None:
    """An address that does not answer, or lacks the file, is an error with the next step."""
    (small.raw / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"mnist could not be downloaded: .*404"):
        data.fetch("mnist")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        small.declare(address=f"http://127.0.0.1:{closed.getsockname()[1]}/")
        with pytest.raises(
            DataError, match=r"downloaded: .*refused.*harness data fetch mnist .*HARNESS_DATA"
        ):
            data.fetch("mnist")


def test_a_full_disk_names_the_cache(small: Small, downloads: list[str]) -> None:
    """A download that does not fit is a StorageError with the next step, and nothing of it stays."""
    address = DECLARED["mnist"].address
    out = small.child(
        "import dataclasses, resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))\n"
        "from harness import data as datasets; from harness.errors import StorageError\n"
        "from harness.data.declared import DECLARED, MNIST\n"
        f"DECLARED['mnist'] = dataclasses.replace(MNIST, address={address!r})\n"
        "try: datasets.fetch('mnist')\nexcept StorageError as error: print(error)"
    )
    assert "the file is larger than allowed. Raise" in out
    assert [path.name for path in small.cache.iterdir()] == ["fetch-mnist.lock"]


def test_where_nothing_is_downloaded(small: Small) -> None:
    """An excerpt is loaded, a misspelt name corrected, and what lies complete in the cache is used, whatever HARNESS_DATA names."""
    assert data.fetch("mnist-excerpt").complete
    with pytest.raises(UnknownNameError, match="Did you mean 'kmnist'"):
        data.fetch("kmnst")
    (small.root / "MNIST").rename(small.cache / "MNIST")
    assert data.fetch("mnist").origin == "cache"


def test_a_cache_that_cannot_be_written_is_named(small: Small) -> None:
    """A file where the cache's folder should be is an error that names it."""
    small.cache.write_text("")
    with pytest.raises(StorageError, match=r"cannot fill the cache folder .*a file is where a folder"):
        data.fetch("kmnist")


def test_originals_are_asked_for_with_encryption() -> None:
    """Every declared address is one of https."""
    addresses = [declared.address for declared in DECLARED.values() if declared.folder]
    assert len(addresses) == 2
    assert all(address.startswith("https://") and address.endswith("/") for address in addresses)
