from pathlib import Path

import pytest

from edge_llasm.bench.rival_options import parser
from edge_llasm.cores import physical_cores


def test_a_rival_takes_a_model_its_own_files_and_threads() -> None:
    options = parser("some.module", "It answers.").parse_args(["--model", "nano", "--rival", "out/rival"])
    assert (options.model, options.rival, options.threads) == ("nano", Path("out/rival"), physical_cores())


def test_its_help_shows_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser("some.module", "It answers.").parse_args(["--help"])
    assert "python -m some.module --model OUT/bundle --rival OUT/rival" in capsys.readouterr().out
