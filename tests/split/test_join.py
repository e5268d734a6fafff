"""Processes that are lost before there is a motor to lead them."""

import pytest
import torch.distributed as dist

from aetheria.split.join import joined_mesh
from aetheria.split.processes import ProcessLostError, lost_processes_named


@pytest.mark.parametrize("said", ["Broken pipe", "connection reset by peer", "wait timeout after 300000ms"])
def test_a_process_that_is_lost_while_the_others_join_is_told_in_one_line(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise dist.DistNetworkError(f"{said}\nException raised from somewhere")

    monkeypatch.setattr(dist, "init_process_group", fail)
    with pytest.raises(ProcessLostError) as told, joined_mesh((2, 1), "cpu"):
        pass
    assert told.value.exit_code == 7
    assert f"({said})" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("error", [dist.DistNetworkError("Broken pipe"), RuntimeError("Broken pipe"), dist.DistStoreError("x")])
def test_a_process_that_is_lost_while_a_group_is_made_is_named_as_lost(error: RuntimeError) -> None:
    with pytest.raises(ProcessLostError, match="--resume"), lost_processes_named():
        raise error


def test_other_errors_are_left_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="shape"), lost_processes_named():
        raise RuntimeError("shape [2] is invalid")
