from pathlib import Path

from edge_llasm.cores import linux_cores, physical_cores


def write_topology(folder: Path, siblings: list[str]) -> Path:
    for n, text in enumerate(siblings):
        (folder / f"cpu{n}/topology").mkdir(parents=True)
        (folder / f"cpu{n}/topology/thread_siblings_list").write_text(f"{text}\n")
    return folder


def test_hyper_threads_of_one_core_are_one(tmp_path: Path) -> None:
    topology = write_topology(tmp_path, ["0,4", "1,5", "2", "3", "0,4", "1,5"])
    assert linux_cores([0, 1, 2, 3, 4, 5], topology) == 4
    assert linux_cores([0, 4], topology) == 1  # all that this process may use


def test_a_system_that_does_not_tell_is_not_believed_to_have_none(tmp_path: Path) -> None:
    assert linux_cores([0, 1], tmp_path) == 0
    assert physical_cores() >= 1
