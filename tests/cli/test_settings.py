"""Settings: defaults, a TOML file over them, options over both, and each fault named."""

import argparse
from dataclasses import dataclass

import pytest

from spark_mf.cli.settings import (
    OneSentenceParser,
    add_options,
    one_of,
    read_settings,
    real,
    setting,
    several,
    text,
    whole,
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    source: str | None = setting(None, text(), "what to read", group="data", positional=True)
    rank: int = setting(16, whole(1), "features", group="model")
    reg_param: float = setting(
        0.1, real("a number of at least 0", lambda value: value >= 0), "λ, 50% of all", group="model"
    )
    solver: str = setting("cg", one_of("cg", "cholesky"), "how", group="model")
    points: tuple[int, ...] = setting((1, 2), several(whole(1), "whole numbers"), "where", group="run")


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
        ("ranc = 8", "job.toml: unknown key 'ranc'; did you mean 'rank'?"),
        ("zzz = 8", "job.toml: unknown key 'zzz'; the keys are source, rank, reg_param, solver, points"),
        ('rank = "8"', "job.toml: key 'rank' is '8'; it must be a whole number of at least 1"),
        ("rank = true", "job.toml: key 'rank' is True; it must be a whole number of at least 1"),
        ("rank = 0", "job.toml: key 'rank' is 0; it must be a whole number of at least 1"),
        ("reg_param = nan", "job.toml: key 'reg_param' is nan; it must be a number of at least 0"),
        ("reg_param = -1", "job.toml: key 'reg_param' is -1; it must be a number of at least 0"),
        ('solver = "lu"', "job.toml: key 'solver' is 'lu'; it must be one of cg, cholesky"),
        ("solver = [1]", r"job.toml: key 'solver' is \[1\]; it must be one of cg, cholesky"),
        ("points = 3", "job.toml: key 'points' is 3; it must be whole numbers"),
        ("points = [3, 3]", r"job.toml: key 'points' is \[3, 3\]; it must be whole numbers"),
        ("points = [[3]]", r"job.toml: key 'points' is \[\[3\]\]; it must be whole numbers"),
        ("[rank]", "job.toml: key 'rank' is {}; it must be a whole number of at least 1"),
        ("rank = ", "job.toml is not valid TOML"),
        (b"rank = 1 # \xff", "job.toml is not valid TOML"),
    ],
)
def test_a_fault_in_the_file_is_named(toml, content, fault):
    with pytest.raises(ValueError, match=fault):
        read_settings(Settings, toml(content), {})


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"rank": "ten"}, "--rank is 'ten'; it must be a whole number of at least 1"),
        ({"rank": "0"}, "--rank is 0; it must be a whole number of at least 1"),
        ({"reg_param": "-0.1"}, "--reg-param is -0.1; it must be a number of at least 0"),
        ({"points": "1,x"}, "--points is '1,x'; it must be whole numbers"),
        ({"source": ""}, "SOURCE is ''; it must be a non-empty text"),
    ],
)
def test_a_fault_in_an_option_is_named(options, fault):
    with pytest.raises(ValueError, match=fault):
        read_settings(Settings, None, options)


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent.toml does not exist"):
        read_settings(Settings, tmp_path / "absent.toml", {})
    with pytest.raises(ValueError, match=r"cannot be read: Is a directory"):
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
    assert capsys.readouterr().err == ("job: unrecognized arguments: --ranks-of-all (--help explains every option).\n")
