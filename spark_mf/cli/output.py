"""The output folder of a job, which is complete if it contains ``results.jsonl``."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

ROWS = "results.jsonl"
UNFINISHED_ROWS = "results.unfinished.jsonl"
#: Folder that keeps the files of an earlier run until the overwriting job has finished.
REPLACED = ".replaced"


class Row(Protocol):
    """One line of ``results.jsonl``."""

    def to_json(self) -> str:
        """Return one line of JSON, without a line break."""


class OutputFolder:
    """The output folder of a job on the local file system.

    Each row is appended to ``results.unfinished.jsonl`` immediately, so that a killed job does not lose it;
    ``results.jsonl`` is written last, so that a folder with this file is complete.

    Parameters
    ----------
    path : Path
        The folder, which is created with its parents if it does not exist.
    makes : sequence of str
        Names of the job's other files. An overwriting job replaces only these and the rows; it keeps the old files in
        the folder ``.replaced`` until it has finished.
    overwrite : bool
        Whether the folder may already contain files.

    Raises
    ------
    FileExistsError
        If the folder is not empty and `overwrite` is False, or the path is a file.
    ValueError
        If the path is not on the local file system, or the folder cannot be written.
    """

    def __init__(self, path: Path, makes: Sequence[str], *, overwrite: bool) -> None:
        self.path = path
        self._replaced = (ROWS, UNFINISHED_ROWS, *makes)
        if re.match("[A-Za-z][A-Za-z0-9+.-]*:/", str(path)):
            raise ValueError(f"output must be a folder on the local file system, got {path}. Give a local path.")
        if path.exists() and not path.is_dir():
            raise FileExistsError(f"output must be a folder, got {path}, which is a file. Give the path of a folder.")
        if path.is_dir() and any(path.iterdir()) and not overwrite:
            raise FileExistsError(
                f"output must be an empty folder, got {path}, which is not empty. Give another one, or --overwrite to "
                "replace the files of an earlier run of this job."
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
            # Writing is the only reliable test; the file is deleted when it is closed.
            tempfile.TemporaryFile(dir=path).close()
        except OSError as fault:
            raise ValueError(
                f"The output folder {path} cannot be written: {fault.strerror}. Give another one."
            ) from None

    def start(self) -> None:
        """Move the files of an earlier run to ``.replaced``, or delete them if it already has those of another run."""
        aside = self.path / REPLACED
        found = [name for name in self._replaced if (self.path / name).exists()]
        if aside.exists():
            # A killed run wrote these files after it had moved the files of the last finished run.
            for name in found:
                (self.path / name).unlink()
        elif found:
            aside.mkdir()
            for name in found:
                (self.path / name).replace(aside / name)

    def add(self, row: Row) -> None:
        """Append one row immediately."""
        with (self.path / UNFINISHED_ROWS).open("a", encoding="utf-8") as file:
            file.write(row.to_json() + "\n")

    def finish(self, rows: Sequence[Row]) -> None:
        """Write the rows in their final form, which marks the folder as complete."""
        unfinished = self.path / UNFINISHED_ROWS
        unfinished.write_text("".join(row.to_json() + "\n" for row in rows), encoding="utf-8")
        unfinished.replace(self.path / ROWS)
        self.remove_replaced()

    def remove_replaced(self) -> None:
        """Delete the files of the earlier run, after their replacements have been written."""
        shutil.rmtree(self.path / REPLACED, ignore_errors=True)
