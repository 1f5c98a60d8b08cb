"""Output folder of a job, which is complete once it contains ``results.jsonl``."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

ROWS = "results.jsonl"
UNFINISHED_ROWS = "results.unfinished.jsonl"
#: Folder that holds what an overwriting job replaces until the job is finished.
REPLACED = ".replaced"


class Row(Protocol):
    """One line of ``results.jsonl``."""

    def to_json(self) -> str:
        """One line of JSON, without the line's end."""


class OutputFolder:
    """A job's folder on the local file system.

    Rows are appended to ``results.unfinished.jsonl`` at once, so that a killed job does not lose them;
    ``results.jsonl`` is written last, so a folder that contains it is complete.

    Parameters
    ----------
    path : Path
        The folder; created with its parents if it does not exist.
    makes : Sequence[str]
        Names of the job's other files, which an overwriting job replaces; it touches nothing else. What it replaces is
        in the folder ``.replaced`` until the job is finished.
    overwrite : bool
        Whether the folder may already contain files.

    Raises
    ------
    FileExistsError
        When the folder is not empty and ``overwrite`` is false, or when it is a file.
    ValueError
        When it is not a path of the local file system, or cannot be written.
    """

    def __init__(self, path: Path, makes: Sequence[str], *, overwrite: bool) -> None:
        self.path = path
        self._replaced = (ROWS, UNFINISHED_ROWS, *makes)
        if re.match("[A-Za-z][A-Za-z0-9+.-]*:/", str(path)):
            raise ValueError(f"the output folder {path} is not on the local file system: give a local path.")
        if path.exists() and not path.is_dir():
            raise FileExistsError(f"the output folder {path} is a file: give the path of a folder.")
        if path.is_dir() and any(path.iterdir()) and not overwrite:
            raise FileExistsError(
                f"the output folder {path} is not empty: give another one, or --overwrite to replace "
                "what an earlier run of this job left there."
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
            # Only writing tells for certain; the file is deleted when it is closed.
            tempfile.TemporaryFile(dir=path).close()
        except OSError as fault:
            raise ValueError(f"the output folder {path} cannot be written: {fault.strerror}.") from None

    def start(self) -> None:
        """Set the files of an earlier run aside; remove them if those of a still earlier run are set aside already."""
        aside = self.path / REPLACED
        found = [name for name in self._replaced if (self.path / name).exists()]
        if aside.exists():
            # These files are of a run that was killed after it had set an earlier one aside.
            for name in found:
                (self.path / name).unlink()
        elif found:
            aside.mkdir()
            for name in found:
                (self.path / name).replace(aside / name)

    def add(self, row: Row) -> None:
        """Append one row at once."""
        with (self.path / UNFINISHED_ROWS).open("a", encoding="utf-8") as file:
            file.write(row.to_json() + "\n")

    def finish(self, rows: Sequence[Row]) -> None:
        """Write the rows in their final form, which marks the folder as complete."""
        unfinished = self.path / UNFINISHED_ROWS
        unfinished.write_text("".join(row.to_json() + "\n" for row in rows), encoding="utf-8")
        unfinished.replace(self.path / ROWS)
        self.remove_replaced()

    def remove_replaced(self) -> None:
        """Remove the files that were set aside, after their replacements are written."""
        shutil.rmtree(self.path / REPLACED, ignore_errors=True)
