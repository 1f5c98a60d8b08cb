"""Stages tell of their beginning, their course and their end."""

import logging
import time

import pytest

from spark_mf.cli import phases


@pytest.fixture(autouse=True)
def heard(caplog):
    caplog.set_level(logging.INFO, "spark_mf")
    return caplog


def test_beginning_and_end_are_said(heard):
    with phases.phase("reading"):
        assert heard.messages == ["reading ..."]
    assert heard.messages[1].startswith("reading: done in 0.")


def test_a_ticking_stage_is_heard_of_while_it_lasts(heard, monkeypatch):
    monkeypatch.setattr(phases, "_SECONDS_BETWEEN_SIGNS", 0.01)
    with phases.phase("fitting", ticking=True):
        while len(heard.messages) < 3:
            time.sleep(0.01)
    assert heard.messages[1:3] == ["fitting, 0 s", "fitting, 0 s"]
    count = len(heard.messages)
    time.sleep(0.05)
    assert len(heard.messages) == count, "no sign after the end"


def test_a_stage_that_fails_does_not_claim_to_be_done(heard):
    with pytest.raises(ValueError, match="no"), phases.phase("fitting"):
        raise ValueError("no")
    assert heard.messages == ["fitting ..."]
