"""Settings: defaults, a TOML file over them, options over both, and each fault named."""

import argparse
from typing import Annotated

import pytest
from pydantic import NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass

from spark_mf.cli.settings import STRICT, OneSentenceParser, Several, Text, add_options, one_of, read_settings, setting


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Settings:
    source: Text | None = setting(None, "what to read", group="data", positional=True)
    rank: PositiveInt = setting(16, "features", group="model")
    reg_param: NonNegativeFloat = setting(0.1, "λ, 50% of all", group="model")
    solver: Annotated[str, one_of("cg", "cholesky")] = setting("cg", "how", group="model")
    points: Several[PositiveInt] = setting((1, 2), "where", group="run")

    def __post_init__(self) -> None:
        if self.rank == 13:
            raise ValueError("rank is 13, which brings bad luck: choose 14.")


@pytest.fixture
def toml(tmp_path):
    def write(content: str | bytes):
        file = tmp_path / "job.toml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write


def test_nothing_given_means_the_defaults():
    assert read_settings(Settings, None, {}) == Settings()


def test_the_file_goes_over_defaults_and_options_over_the_file(toml):
    file = toml('rank = 8\nreg_param = 1\npoints = [3, 5]\nsource = "a.csv"')
    assert read_settings(Settings, file, {"rank": "4"}) == Settings(rank=4, reg_param=1, points=(3, 5), source="a.csv")


def test_lists_are_given_with_commas_and_may_be_empty():
    assert read_settings(Settings, None, {"points": "5, 7"}).points == (5, 7)
    assert read_settings(Settings, None, {"points": ""}).points == ()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("ranc = 8", r"job.toml: keys must be settings of the job, got 'ranc'\. Did you mean 'rank'\?"),
        ("zzz = 8", r"job.toml: keys .*, got 'zzz'\. Use one of source, rank, reg_param, solver, points\."),
        ('rank = "8"', "job.toml: rank must be an integer, got '8'"),
        ("rank = true", "job.toml: rank must be an integer, got True"),
        ("rank = 0", "job.toml: rank must be > 0, got 0"),
        ("reg_param = nan", "job.toml: reg_param must be a finite number, got nan"),
        ("reg_param = -1", "job.toml: reg_param must be >= 0, got -1"),
        ('solver = "lu"', "job.toml: solver must be one of cg, cholesky, got 'lu'"),
        ("solver = [1]", r"job.toml: solver must be a string, got \[1\]"),
        ("points = 3", "job.toml: points must be a list, got 3"),
        ("points = [3, 3]", r"job.toml: points must be a list of distinct values, got \[3, 3\]"),
        ("points = [[3]]", r"each value of .*job.toml: points must be an integer, got \[3\]"),
        ("[rank]", "job.toml: rank must be an integer, got {}"),
        ("rank = ", "--config must be a valid TOML file, got .*job.toml "),
        (b"rank = 1 # \xff", "--config must be a valid TOML file, got .*job.toml "),
    ],
)
def test_a_fault_in_the_file_is_named(toml, content, fault):
    with pytest.raises(ValueError, match=fault):
        read_settings(Settings, toml(content), {})


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"rank": "ten"}, "--rank must be an integer, got 'ten'"),
        ({"rank": "0"}, "--rank must be > 0, got '0'"),
        ({"reg_param": "-0.1"}, "--reg-param must be >= 0, got '-0.1'"),
        ({"points": "1,x"}, "each value of --points must be an integer, got 'x'"),
        ({"source": ""}, "SOURCE must not be empty, got ''"),
    ],
)
def test_a_fault_in_an_option_is_named(options, fault):
    with pytest.raises(ValueError, match=fault):
        read_settings(Settings, None, options)


def test_values_that_do_not_go_together_are_refused_in_the_words_of_the_class():
    with pytest.raises(ValueError, match=r"^rank is 13, which brings bad luck: choose 14\.$"):
        read_settings(Settings, None, {"rank": "13"})


def test_settings_are_checked_without_a_file_too():
    with pytest.raises(ValueError, match="greater than 0"):
        Settings(rank=0)


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent.toml, which does not exist"):
        read_settings(Settings, tmp_path / "absent.toml", {})
    with pytest.raises(ValueError, match=r"must be a readable file, got .* \(Is a directory\)"):
        read_settings(Settings, tmp_path, {})


def test_options_are_left_unset_unless_given():
    parser = argparse.ArgumentParser()
    add_options(parser, Settings)
    assert vars(parser.parse_args([])) == {}
    given = parser.parse_args(["a.csv", "--reg-param", "-1", "--points", "3"])
    assert vars(given) == {"source": "a.csv", "reg_param": "-1", "points": "3"}


def test_help_gives_each_setting_with_its_default():
    parser = argparse.ArgumentParser(prog="job")
    add_options(parser, Settings)
    shown = " ".join(parser.format_help().split())
    assert "--rank RANK features (default: 16)" in shown
    assert "λ, 50% of all (default: 0.1)" in shown
    assert "where (default: 1,2)" in shown


def test_an_unknown_option_is_one_sentence(capsys):
    parser = OneSentenceParser(prog="job")
    add_options(parser, Settings)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--ranks-of-all", "3"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == ("job: unrecognized arguments: --ranks-of-all (--help lists all options).\n")
