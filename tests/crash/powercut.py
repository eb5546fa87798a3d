"""Builds the power-cut library and restores a data directory to what had been synced (see powercut.c)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


def build(folder: Path) -> Path:
    """Compile the library to be preloaded; returns its path."""
    library = folder / "powercut.so"
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-format-truncation",
                    "-shared", "-fPIC", "-o", library, HERE / "powercut.c"], check=True)
    return library


def environment(library: Path, data: Path, shadow: Path, ignore: str | None = None) -> dict[str, str]:
    """What the server is started with to be under the power cut."""
    shadow.mkdir(parents=True)
    return {"LD_PRELOAD": str(library), "POWERCUT_ROOT": str(data), "POWERCUT_SHADOW": str(shadow),
            **({"POWERCUT_IGNORE": ignore} if ignore else {})}


def restore(data: Path, shadow: Path) -> None:
    """Replace `data` by its synced state.  What was named but never synced itself is there and empty."""
    rebuilt = data.with_name(data.name + ".rebuilt")

    def folder(key: str, to: Path) -> None:
        to.mkdir(mode=0o700)
        listing = shadow / "folders" / key
        for line in listing.read_text().splitlines() if listing.exists() else []:
            kind, entry_key, name = line.split(" ", 2)
            if kind == "d":
                folder(entry_key, to / name)
            elif (shadow / "files" / entry_key).exists():
                shutil.copyfile(shadow / "files" / entry_key, to / name)
            else:
                (to / name).touch()

    folder((shadow / "root").read_text(), rebuilt)
    for token in rebuilt.glob("*.token"):
        token.chmod(0o600)
    shutil.rmtree(data)
    rebuilt.rename(data)
    shutil.rmtree(shadow)
