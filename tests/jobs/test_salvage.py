"""A seed that was paid for is kept whole, once, whoever is at it."""

import json
from pathlib import Path

from scene import eventually, planned
from standins import toy

from golf.jobs import salvage
from golf.jobs.leases import Lease, Leases
from golf.jobs.store import JobStore
from golf.workspace import Workspace


class Raced(toy.Toy):
    """Whose files another fetches while we do."""

    def __init__(self, workspace: Workspace, lease: Lease) -> None:
        super().__init__(json.loads(lease.options))
        self.workspace, self.lease = workspace, lease

    def fetch(self, remote_id: str, to: Path, outputs: object) -> None:
        assert salvage.fetch(self.workspace, toy.Toy(json.loads(self.lease.options)), self.lease)
        super().fetch(remote_id, to, ["*.ptz"])


def test_of_two_who_salvage_one_seed_at_once_the_first_one_stands(workspace: Workspace, tmp_path: Path) -> None:
    provider = toy.Toy({"folder": tmp_path / "provider"})
    run = JobStore(workspace).add("run", "exp", "toy")
    book = Leases(workspace.database)
    (key,) = planned(workspace.database, run.id, options=toy.described(tmp_path / "provider"))
    lease = book.asked(key, 60.0)
    (workspace.root / "tree").mkdir()
    asked = toy.launch(lease.key, lease.owner, workspace.root / "tree", ["sh", "-c", "echo on; echo w > model.ptz"])
    book.held(lease.key, provider.submit(asked))
    eventually(lambda: (seen := provider.poll(lease.key)) is not None and seen.exit_code == 0)
    assert salvage.fetch(workspace, Raced(workspace, book.get(lease.key)), book.get(lease.key))
    place = salvage.folder(workspace, run.id, 1)
    assert {path.name: path.read_text() for path in place.iterdir()} == {"model.ptz": "w\n", salvage.LOG: "on\n"}
    assert list(place.parent.iterdir()) == [place]


def test_what_was_fetched_is_kept_once_and_whole(workspace: Workspace) -> None:
    (key,) = planned(workspace.database, "run")
    lease = Leases(workspace.database).get(key)
    tree, log = workspace.root / "tree", workspace.root / "train.log"
    (tree / "deeper").mkdir(parents=True)
    for name in ("model.ptz", "train_gpt.py", "deeper/other.pt"):
        (tree / name).write_text(name)
    log.write_text("step:1\n")
    salvage.keep(workspace, lease, tree, log)
    (tree / "model.ptz").write_text("later")
    salvage.keep(workspace, lease, tree, log)
    place = salvage.folder(workspace, "run", 1)
    assert {path.name: path.read_text() for path in place.iterdir()} == {
        "model.ptz": "model.ptz",
        salvage.LOG: "step:1\n",
    }
    assert salvage.kept(place.parent) == [1]
