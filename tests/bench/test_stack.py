"""A service that does not start says why before its folder is gone."""

import sys
from pathlib import Path

import pytest

from bedside.services.locate import Program
from bedside.services.process import Service, ServiceFailed
from bench.stack import started


def test_a_service_that_fails_shows_the_end_of_its_log(tmp_path):
    service = Service(
        name="teller",
        program=Program(path=Path(sys.executable), environment={}),
        arguments=["-c", "print('no such broker'); raise SystemExit(3)"],
        log=tmp_path / "teller.log",
        answers=lambda: False,
    )
    with pytest.raises(ServiceFailed, match=r"ended with 3(.|\n)*no such broker"), started(service):
        pass
