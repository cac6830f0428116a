"""A back-end of one's own is looked at when it is loaded: a broken one is a mistake in golf.toml, and named."""

import sys
from pathlib import Path

import pytest
from standins.toy import Toy

from golf.errors import BadConfig
from golf.jobs import backend
from golf.jobs.backend import open_backend, ready_backend
from golf.play import doctor
from golf.workspace import Workspace

OWN = """
from standins.toy import Toy

class Raises:
    def __init__(self, options):
        raise KeyError("region")

class Empty:
    def __init__(self, options):
        pass

class Argumentless(Toy):
    def __init__(self):
        pass

class Unfinished(Toy):
    mine = None

class Wordy(Toy):
    def __init__(self, options):
        super().__init__(options)
        self.beyond_s = "an hour"

class Wordless(Toy):
    def lacks(self):
        return self.nothing

class Leaves(Toy):
    def __init__(self, options):
        raise SystemExit(7)

class Nameless(Toy):
    def lacks(self):
        return None

number = 7
"""

BROKEN = {
    "json:dumps": "lacks lacks, submit, poll",
    "json:nothing": "no attribute 'nothing'",
    "no_such_module_here:X": "No module named",
    ".x:Y": "no back-end",
    ":Y": "no back-end",
    "own_backend:": "no back-end",
    "own_backend:Raises": "KeyError: 'region'",
    "own_backend:Empty": "lacks lacks, submit, poll, log, fetch, ask_to_stop, end, mine, plan, beyond_s",
    "own_backend:Argumentless": "takes 1 positional argument but 2 were given",
    "own_backend:Unfinished": "is none: it lacks mine. What one is",
    "own_backend:Wordy": "beyond_s in seconds .it is 'an hour'.",
    "own_backend:Wordless": "no attribute 'nothing'",
    "own_backend:Leaves": "SystemExit: 7",
    "own_backend:Nameless": "says what it lacks here as NoneType, not as str",
    "own_backend:number": "not callable",
    "own_broken:X": "SyntaxError",
}


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "own"
    place.mkdir()
    (place / "own_backend.py").write_text(OWN)
    (place / "own_broken.py").write_text("def (\n")
    monkeypatch.syspath_prepend(place)
    monkeypatch.delitem(sys.modules, "own_backend", raising=False)


@pytest.mark.parametrize(("name", "told"), BROKEN.items())
def test_a_broken_back_end_is_a_mistake_in_golf_toml_that_names_it(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(BadConfig, match=told) as refused:
        ready_backend(name, {"folder": str(tmp_path / "provider")})
    assert repr(name) in str(refused.value)


def test_every_method_of_the_protocol_is_looked_for() -> None:
    of_protocol = {name for name in vars(backend.Backend) if not name.startswith("_")}
    assert of_protocol == {*backend.METHODS, "beyond_s"}


def test_a_whole_one_is_taken(tmp_path: Path) -> None:
    assert isinstance(open_backend("standins.toy:Toy", {"folder": str(tmp_path / "provider")}), Toy)


@pytest.fixture
def look(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    """What the doctor says of each tier of this golf.toml."""
    monkeypatch.setattr(doctor, "_training", lambda workspace: doctor.Check(name="torch", verdict="ok", found=""))

    def examined(text: str) -> dict[str, doctor.Check]:
        (workspace.root / "golf.toml").write_text(text)
        return {check.name: check for check in doctor.examine().checks}

    return examined


def test_the_doctor_says_of_each_tier_what_is_wrong_with_its_back_end(look) -> None:
    price = 'gpus = 1\nhourly_rate_usd = 16\noptions = { folder = "p" }'
    seen = look("".join(f'[tiers.t{index}]\nbackend = "{name}"\n{price}\n' for index, name in enumerate(BROKEN)))
    for index, name in enumerate(BROKEN):
        check = seen[f"tier t{index}"]
        assert (check.verdict, repr(name) in check.found) == ("optional", True)


@pytest.mark.parametrize("rate", ["1e308", "1e300", "1e12"])
def test_a_price_that_comes_to_no_amount_is_no_price(look, rate: str) -> None:
    check = look(f"[tiers.p]\ngpus = 8\nhourly_rate_usd = {rate}\ntime_limit_s = 1e6\n")["tier p"]
    assert check.verdict == "optional"
    for key in ("hourly_rate_usd", "gpus = 8", "time_limit_s"):
        assert key in check.found


def test_the_doctor_says_what_it_has_looked_at(look, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tier on Slurm needs no option: sbatch takes the site's default partition."""
    programs = ["sbatch", "squeue", "scontrol"]
    monkeypatch.setattr("golf.jobs.slurm.shutil.which", lambda name: name if name in programs else None)
    tier = '[tiers.c]\nbackend = "slurm"\n'
    assert "cannot be asked from here: scancel on the PATH" in look(tier)["tier c"].found
    programs.append("scancel")
    check = look(tier)["tier c"]
    assert (check.verdict, check.found) == (
        "ok",
        "slurm, free; checked: options (none, so its defaults hold), and that what asks its provider is here; "
        "it was not asked",
    )
    assert "options (partition)" in look(tier + '[tiers.c.options]\npartition = "gpu"\n')["tier c"].found
