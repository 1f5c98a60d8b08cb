"""The command line, Spark session and error reporting that all jobs share."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pyspark.sql import SparkSession

from spark_mf.cli.session import local_session
from spark_mf.cli.settings import OneSentenceParser, add_options, read_settings

S = TypeVar("S")


@dataclass(frozen=True)
class JobArguments(Generic[S]):
    """The parsed command line of a job: output folder, whether to overwrite it, and settings."""

    program: str
    output: str
    overwrite: bool
    settings: S


def job_arguments(
    cls: type[S], script: str, description: str | None, argv: Sequence[str] | None = None, *, listing: str | None = None
) -> JobArguments[S]:
    """Return the parsed command line of a job that writes to a folder.

    Parameters
    ----------
    cls : type
        A dataclass of settings whose fields are declared with `spark_mf.cli.settings.setting`.
    script : str
        Path of the job's script; ``conf/NAME.toml`` beside its folder holds its defaults.
    description : str or None
        First part of ``--help``: the script's docstring.
    argv : sequence of str, optional
        The arguments; by default those of the process.
    listing : str, optional
        The text that ``--list`` prints; by default the job has no such option.

    Raises
    ------
    SystemExit
        After ``--help`` and ``--list``; with code 2 and a short message if arguments are invalid.
    """
    path = Path(script).resolve()
    layout = argparse.RawDescriptionHelpFormatter
    parser = OneSentenceParser(path.stem, description=description, formatter_class=layout, allow_abbrev=False)
    parser.add_argument("--output", required=True, help="folder to write to")
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run in OUTPUT")
    if listing is not None:
        parser.add_argument("--list", action="version", version=listing, help="list the choices and exit")
    config = path.parents[1] / "conf" / f"{path.stem}.toml"
    parser.add_argument("--config", type=Path, default=config, help=f"TOML file (default: conf/{config.name})")
    add_options(parser, cls)
    options = vars(parser.parse_args(argv))
    output, overwrite, config = (options.pop(name) for name in ("output", "overwrite", "config"))
    with one_sentence_faults(parser.prog):
        return JobArguments(parser.prog, output, overwrite, read_settings(cls, config, options))


@contextmanager
def job_session(
    app_name: str, *, master: str | None, driver_memory: str | None, extra_conf: Mapping[str, str] | None = None
) -> Iterator[SparkSession]:
    """Yield the session of `local_session`, and stop it on exit unless it was already running."""
    running = SparkSession.getActiveSession()
    spark = local_session(app_name, master=master, driver_memory=driver_memory, extra_conf=extra_conf)
    try:
        if running is None:
            _use_few_shuffle_partitions(spark)
        yield spark
    finally:
        if running is None:
            spark.stop()


def _use_few_shuffle_partitions(spark: SparkSession) -> None:
    """Reduce the number of shuffle partitions of a local session unless the user has set it.

    Spark's default of 200 suits clusters; on a few cores, it makes joins of predictions with test rows three times
    slower. The setting affects neither pyspark's ALS nor spark_mf's.
    """
    context = spark.sparkContext
    name = "spark.sql.shuffle.partitions"
    if (context.master or "").startswith("local") and not context.getConf().contains(name):
        spark.conf.set(name, 2 * context.defaultParallelism)


@contextmanager
def one_sentence_faults(program: str) -> Iterator[None]:
    """Exit with code 2 and the message of an error in the input, instead of a traceback.

    Use it only around code that checks and reads input, so that other errors keep their traceback.
    """
    try:
        yield
    except (ValueError, OSError, RuntimeError, MemoryError) as fault:
        print(f"{program}: {fault}", file=sys.stderr)
        raise SystemExit(2) from None
