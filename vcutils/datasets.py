"""Public recordings to clone and to sing, fetched once and kept: licensed so that anybody may use them."""
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pooch
import requests

from vcutils.errors import InputError

_ARCTIC = {
    "bdl": ("US English, male", "26b91aaf48b2799b2956792b4632c2f926cd0542f402b5452d5adecb60942904"),
    "slt": ("US English, female", "7c173297916acf3cc7fcab2713be4c60b27312316765a90934651d367226b4ea"),
    "clb": ("US English, female", "3f16dc3f3b97955ea22623efb33b444341013fc660677b2e170efdcc959fa7c6"),
    "rms": ("US English, male", "c6dc11235629c58441c071a7ba8a2d067903dfefbaabc4056d87da35b72ecda4"),
    "jmk": ("Canadian English, male", "3a37c0e1dfc91e734fdbc88b562d9e2ebca621772402cdc693bbc9b09b211d73"),
    "awb": ("Scottish English, male", "d74a950c9739a65f7bfc4dfa6187f2730fa03de5b8eb3f2da97a51b74df64d3c"),
    "ksp": ("Indian English, male", "8029cafce8296f9bed3022c44ef1e7953332b6bf6943c14b929f468122532717"),
}

DATASETS = {
    f"cmu_arctic_{name}": {
        "about": f"CMU ARCTIC, speaker {name}: {who}, about 1130 read sentences, 50 minutes, 16 kHz, 80 MB to fetch",
        "licence": "CMU ARCTIC: free for any use, commercial or not, if the copyright notice and the authors' names stay "
        "(c) 2003 Carnegie Mellon University",
        "url": f"http://festvox.org/cmu_arctic/packed/cmu_us_{name}_arctic.tar.bz2",
        "checksum": f"sha256:{checksum}",
        "recordings": "wav",
    }
    for name, (who, checksum) in _ARCTIC.items()
}
DATASETS["vocadito"] = {
    "about": "Vocadito: 40 short songs without accompaniment, in 7 languages, 44.1 kHz, 58 MB to fetch",
    "licence": "CC BY 4.0: R. Bittner, K. Pasalo, J. J. Bosch, G. Meseguer-Brocal, D. Rubinstein, 2021",
    "url": "https://zenodo.org/record/5578807/files/vocadito.zip",
    "checksum": "md5:dea40fd18f14d899643c4ba221b33a46",
    "recordings": "Audio",
}


def fetch_dataset(name, *, cache=None, progress=True, datasets=DATASETS):
    """Fetch a public dataset, check that it is the right one, unpack it, and say its licence.

    A dataset that has been fetched before is not fetched again.

    Parameters
    ----------
    name : str
        A key of `datasets`: `cmu_arctic_slt` and its like are voices to clone, `vocadito` is songs to sing.
    cache : str or Path, optional
        Folder to keep it in. Default: the user's cache folder.
    progress : bool
        Whether to show a progress bar.
    datasets : dict of dict
        `about`, `licence`, `url`, `checksum` ("sha256:..." or "md5:..." of the archive) and `recordings` (the name of
        the folder in the archive that holds them).

        The SHA-256 of CMU ARCTIC are those that torchaudio checks (`torchaudio/datasets/cmuarctic.py`); the MD5 of
        Vocadito is the one that Zenodo shows on record 5578807 and that mirdata checks (`mirdata/datasets/vocadito.py`).

    Returns
    -------
    Path
        The folder of recordings, for `vcutils.collect.collect`. Of CMU ARCTIC, a part is enough:
        ``sorted(folder.glob("*.wav"))[:60]`` is three minutes.

    Raises
    ------
    InputError
        If there is no such dataset, the server does not answer, what it sends has another checksum, or the disk is
        full. Nothing is left behind.

    References
    ----------
    .. [1] J. Kominek and A. W. Black, "CMU ARCTIC databases for speech synthesis", CMU-LTI-03-177, 2003.
    .. [2] R. Bittner et al., "vocadito: A dataset of solo vocals with f0, note, and lyric annotations",
       arXiv:2110.05580, 2021.

    Examples
    --------
    >>> sorted(DATASETS)[:2]
    ['cmu_arctic_awb', 'cmu_arctic_bdl']
    >>> fetch_dataset("nothing")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vcutils.errors.InputError: There is no dataset 'nothing'; choose one of cmu_arctic_bdl, ...
    """
    if name not in datasets:
        raise InputError(f"There is no dataset '{name}'; choose one of {', '.join(datasets)}.")
    dataset = datasets[name]
    cache = Path(cache or pooch.os_cache("vcutils"))
    folder = cache / name
    print(f"{dataset['about']}\nLicence: {dataset['licence']}")
    if not folder.is_dir():
        url = dataset["url"]
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache, prefix=".part-") as tmp:
                download = pooch.HTTPDownloader(progressbar=progress, timeout=30)
                archive = pooch.retrieve(url, dataset["checksum"], fname=url.split("/")[-1], path=tmp, downloader=download)
                unpacked = Path(tmp, "unpacked")
                if zipfile.is_zipfile(archive):
                    with zipfile.ZipFile(archive) as f:
                        f.extractall(unpacked)  # drops "..", drive and root from names
                else:
                    with tarfile.open(archive) as f:
                        f.extractall(unpacked, filter="data")  # refuses what leads outside, links and devices
                unpacked.rename(folder)
        except requests.RequestException as error:
            raise InputError(f"{url} cannot be fetched; check the connection and try again later, or record a voice yourself.") from error
        except (tarfile.TarError, zipfile.BadZipFile) as error:
            raise InputError(f"{url} cannot be unpacked safely; tell the maintainers of vcutils.") from error
        except ValueError as error:  # pooch's word for a wrong checksum
            raise InputError(f"{url} is not the file it should be (its checksum differs); it was thrown away, try again.") from error
        except OSError as error:
            raise InputError(f"{cache} cannot hold {name} ({error.strerror}); free some space, or choose another folder with cache=.") from error
    recordings = next((p for p in sorted(folder.rglob(dataset["recordings"])) if p.is_dir()), None)
    if recordings is None:
        raise InputError(f"{folder} is damaged (no folder '{dataset['recordings']}' in it); delete it and fetch again.")
    return recordings
