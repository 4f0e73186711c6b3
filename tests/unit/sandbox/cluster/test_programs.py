import pytest

from model_packaging.findings import FindingsError
from scaletozero.sandbox.cluster import programs
from scaletozero.sandbox.cluster.control_plane import free_ports


def test_without_go_it_says_what_can_be_done(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALETOZERO_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FindingsError, match=r"etcd: .*go is not installed.*install Go.*KUBECONFIG"):
        programs.find_programs([programs.ETCD])


def test_programs_lie_in_the_cache_under_their_version(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALETOZERO_CACHE", str(tmp_path))
    folder = programs.folder_of(programs.ETCD)
    assert folder.is_relative_to(tmp_path)
    assert programs.ETCD.version in folder.name
    folder.mkdir(parents=True)
    (folder / "etcd").touch()
    assert programs.find_programs([programs.ETCD]) == {"etcd": folder / "etcd"}


def test_ports_are_all_different():
    assert len({*free_ports(20)}) == 20
