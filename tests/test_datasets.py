"""Fetching public datasets, from a server of our own."""
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile

import pytest

from vcutils.collect import collect
from vcutils.datasets import DATASETS, fetch_dataset
from vcutils.dsp.audio import save_audio
from vcutils.errors import InputError
from vcutils.workspace import open_voice


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server for the files in `server.folder`, which counts what it is asked for in `server.asked`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=server.folder)

        def do_GET(self):
            server.asked.append(self.path)
            if self.path.endswith("stops.tar.bz2"):
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                self.wfile.write(b"only this")
            else:
                super().do_GET()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.folder, server.asked = tmp_path / "server", []
    server.folder.mkdir()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def archives(server, sing, tmp_path):
    """Small archives in the layout of the real ones."""
    wav = save_audio(tmp_path / "a.wav", sing(14), 16000)
    with tarfile.open(server.folder / "cmu_us_tst_arctic.tar.bz2", "w:bz2") as archive:
        archive.add(wav, "cmu_us_tst_arctic/wav/arctic_a0001.wav")
        for name in ("COPYING", "etc/txt.done.data", "lab/arctic_a0001.lab"):
            archive.addfile(tarfile.TarInfo(f"cmu_us_tst_arctic/{name}"))
    with zipfile.ZipFile(server.folder / "vocadito.zip", "w") as archive:
        archive.write(wav, "Audio/vocadito_1.wav")
        archive.writestr("Annotations/F0/vocadito_1_f0.csv", "0.0,0.0\n")
    return {
        "cmu_arctic_tst": entry(server, "cmu_us_tst_arctic.tar.bz2", recordings="wav"),
        "vocadito": entry(server, "vocadito.zip", recordings="Audio", algorithm="md5"),
    }


def entry(server, name, *, recordings="wav", algorithm="sha256"):
    digest = hashlib.new(algorithm, (server.folder / name).read_bytes()).hexdigest() if (server.folder / name).exists() else "0" * 64
    return {
        "about": f"A small {name}",
        "licence": "CC0 1.0",
        "url": f"{server.url}/{name}",
        "checksum": f"{algorithm}:{digest}",
        "recordings": recordings,
    }


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text and ". " not in text and text.endswith("."), text
    return text


def test_fetch_shows_the_licence_and_gives_a_folder_to_collect(archives, server, tmp_path, capsys):
    cache = tmp_path / "cache ü"
    folder = fetch_dataset("cmu_arctic_tst", cache=cache, progress=False, datasets=archives)
    assert "CC0 1.0" in capsys.readouterr().out
    assert [p.name for p in folder.iterdir()] == ["arctic_a0001.wav"]
    voice = open_voice("tst", workspace=tmp_path / "workspace")
    assert collect(folder, voice, consent="licence", note="CC0", progress=False)["summary"]["seconds"] == 14
    # once is enough, and only what was unpacked is kept
    assert fetch_dataset("cmu_arctic_tst", cache=cache, progress=False, datasets=archives) == folder
    assert server.asked == ["/cmu_us_tst_arctic.tar.bz2"]
    assert [p.name for p in cache.iterdir()] == ["cmu_arctic_tst"]


def test_zip_with_md5_and_progress_bar(archives, tmp_path, capsys):
    folder = fetch_dataset("vocadito", cache=tmp_path / "cache", datasets=archives)
    assert [p.name for p in folder.iterdir()] == ["vocadito_1.wav"]
    assert "100%" in capsys.readouterr().err


def test_wrong_checksum(archives, server, tmp_path):
    (server.folder / "vocadito.zip").write_bytes(b"something else")
    with pytest.raises(InputError, match="checksum differs") as error:
        fetch_dataset("vocadito", cache=tmp_path / "cache", progress=False, datasets=archives)
    assert archives["vocadito"]["url"] in one_sentence(error)
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("name", ["missing.tar.bz2", "stops.tar.bz2"])
def test_file_that_is_gone_or_stops_half_way(server, tmp_path, name):
    datasets = {"tst": entry(server, name)}
    with pytest.raises(InputError, match="cannot be fetched|checksum differs") as error:
        fetch_dataset("tst", cache=tmp_path / "cache", progress=False, datasets=datasets)
    assert datasets["tst"]["url"] in one_sentence(error)
    assert not list((tmp_path / "cache").iterdir())


def test_server_that_is_down(archives, server, tmp_path):
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="cannot be fetched; check the connection") as error:
        fetch_dataset("vocadito", cache=tmp_path / "cache", progress=False, datasets=archives)
    one_sentence(error)
    assert not list((tmp_path / "cache").iterdir())


def make_tar(path, name, link=None):
    with tarfile.open(path, "w:bz2") as archive:
        member = tarfile.TarInfo(name)
        if link:
            member.type, member.linkname = tarfile.SYMTYPE, link
            archive.addfile(member)
        else:
            member.size = 4
            archive.addfile(member, io.BytesIO(b"evil"))


@pytest.mark.parametrize("name, link", [("../../../evil.txt", None), ("wav", "../../..")])
def test_tar_that_leads_outside(server, tmp_path, name, link):
    make_tar(server.folder / "evil.tar.bz2", name, link)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="cannot be unpacked safely") as error:
        fetch_dataset("evil", cache=tmp_path / "cache", progress=False, datasets={"evil": entry(server, "evil.tar.bz2")})
    one_sentence(error)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "cache"])


def test_zip_that_leads_outside_stays_inside(server, tmp_path):
    with zipfile.ZipFile(server.folder / "evil.zip", "w") as archive:
        archive.writestr("../../../../wav/evil.wav", "evil")
    folder = fetch_dataset("evil", cache=tmp_path / "cache", progress=False, datasets={"evil": entry(server, "evil.zip")})
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("evil.wav")] == ["cache/evil/wav/evil.wav"]
    assert folder == tmp_path / "cache" / "evil" / "wav"


def test_full_disk(server, small_disk):
    (server.folder / "big.tar.bz2").write_bytes(bytes(2_000_000))
    with pytest.raises(InputError, match="cannot hold big .No space left") as error:
        fetch_dataset("big", cache=small_disk / "cache", progress=False, datasets={"big": entry(server, "big.tar.bz2")})
    one_sentence(error)
    assert not list((small_disk / "cache").iterdir())


def test_damaged_cache_says_what_to_delete(archives, tmp_path):
    (tmp_path / "cache" / "vocadito").mkdir(parents=True)
    with pytest.raises(InputError, match="vocadito is damaged.*delete it") as error:
        fetch_dataset("vocadito", cache=tmp_path / "cache", progress=False, datasets=archives)
    one_sentence(error)


def test_unknown_dataset(tmp_path):
    with pytest.raises(InputError, match="choose one of .*vocadito") as error:
        fetch_dataset("vocalset", cache=tmp_path)
    one_sentence(error)


def test_registry_is_complete():
    assert "vocadito" in DATASETS and sum(name.startswith("cmu_arctic_") for name in DATASETS) >= 4
    for dataset in DATASETS.values():
        algorithm, digest = dataset["checksum"].split(":")
        assert len(digest) == {"sha256": 64, "md5": 32}[algorithm]
        assert dataset["licence"] and dataset["about"] and dataset["url"].startswith("http")
    assert len({dataset["checksum"] for dataset in DATASETS.values()}) == len(DATASETS)
