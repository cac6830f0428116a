"""`golf certify` on a really trained artifact, and on scorers that would have to cheat to come back."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from golf.errors import BadConfig, JobFailed, NotFound
from golf.jobs import jail
from golf.measure import byte_counts, shards
from golf.play.audit import find_target
from golf.play.certify import certify
from golf.workspace import Workspace

HONEST = """
import numpy as np
VOCAB_SIZE = 64
def score(tokens):
    counts, nats = np.full((64, 64), 0.1), []
    for before, now in zip(tokens[:-1], tokens[1:]):
        nats.append(-np.log(counts[before, now] / counts[before].sum()))
        counts[before, now] += 1
    return np.array(nats)
"""

LOOKS_IT_UP = """
import glob
import numpy as np
VOCAB_SIZE = 64
class Scorer:
    vocab_size = 64
    def predict(self, prefix):
        try:
            known = np.fromfile({shard!r}, dtype="<u2")[512:]
        except OSError:
            known = np.zeros(4000, dtype=int)
        p = np.full(64, 0.01 / 63)
        p[known[len(prefix)]] = 0.99
        return np.log(p)
    def score(self, tokens):
        return np.array([-self.predict(tokens[:k])[tokens[k]] for k in range(1, len(tokens))])
"""


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A split of 64 tokens that stand for a byte each."""
    data = tmp_path / "data"
    data.mkdir()
    stream = np.cumsum(np.random.default_rng(0).integers(0, 3, 2000)) % 64
    shards.write_shard(data / "fineweb_val_000000.bin", stream)
    one_byte = byte_counts.ByteTable(np.ones(64, np.uint16), np.zeros(64, bool), np.zeros(64, bool))
    monkeypatch.setattr(byte_counts, "table", lambda path: one_byte)
    return data


def test_a_trained_artifact_is_certified_at_what_it_scores(played: Workspace) -> None:
    found = certify("base", workspace=played, text_bytes=2000)
    assert found.verdict == "certified", found.reason
    assert found.text_bytes >= 2000
    assert found.certified_bpb == pytest.approx(found.scored_bpb, rel=0.02)  # lanes' first tokens weigh in 2 kB
    assert found.claimed_bpb is not None
    assert found.coded_bytes == pytest.approx(found.certified_bpb * found.text_bytes / 8, abs=1)
    assert not [line for line in found.unconfined if "hidden" in line]


def test_a_scorer_that_only_scores_is_certified_token_by_token(tmp_path: Path, text: Path) -> None:
    (tmp_path / "mine.py").write_text(HONEST)
    found = certify(f"{tmp_path}/mine.py:score", data=text, tokenizer=tmp_path / "any.model", text_bytes=64)
    assert found.verdict == "certified", found.reason
    assert found.claimed_bpb is None


def test_a_scorer_that_would_look_the_text_up_finds_none(tmp_path: Path, text: Path) -> None:
    """It is honest without the shard, and so certified: at what it is worth, not at what it had in mind."""
    (tmp_path / "mine.py").write_text(LOOKS_IT_UP.format(shard=str(text / "fineweb_val_000000.bin")))
    found = certify(f"{tmp_path}/mine.py:Scorer", data=text, tokenizer=tmp_path / "any.model", text_bytes=300)
    if any("hidden" in line for line in found.unconfined):
        pytest.skip(f"this system cannot hide files: {found.unconfined}")
    assert found.certified_bpb is None or found.certified_bpb > 6  # log2 64


def test_a_copy_of_the_text_elsewhere_on_the_machine_is_not_there_for_the_scorer(tmp_path: Path, text: Path) -> None:
    with tempfile.TemporaryDirectory() as elsewhere:
        copy = Path(elsewhere) / "copy.bin"
        copy.write_bytes((text / "fineweb_val_000000.bin").read_bytes())
        (tmp_path / "mine.py").write_text(LOOKS_IT_UP.format(shard=str(copy)))
        found = certify(f"{tmp_path}/mine.py:Scorer", data=text, tokenizer=tmp_path / "any.model", text_bytes=300)
    if any(line.startswith(jail.VIEW) for line in found.unconfined):
        assert "did not keep other files" in found.reason
    else:
        assert found.certified_bpb is None or found.certified_bpb > 6


def test_what_the_scorer_could_read_of_its_own_is_said_with_its_size(tmp_path: Path, text: Path) -> None:
    """A text inside the artifact needs no bits: who reads a certificate must see what the artifact weighs."""
    (tmp_path / "mine.py").write_text(HONEST.replace("0.1), []", "np.load(__file__[:-7] + 'w.npy')), []"))
    np.save(tmp_path / "w.npy", 0.1)
    options = {"data": text, "tokenizer": tmp_path / "any.model", "text_bytes": 64}
    with pytest.raises(JobFailed, match=r"w.npy'; a scorer sees its own Python files .* --with"):
        certify(f"{tmp_path}/mine.py:score", **options)
    target = find_target(f"{tmp_path}/mine.py:score", beside=[tmp_path / "w.npy"])
    found = certify(target, **options)
    size = (tmp_path / "mine.py").stat().st_size
    assert found.verdict == "certified", found.reason
    assert f"mine.py {size}, w.npy {(tmp_path / 'w.npy').stat().st_size}" in " ".join(found.settings)


def test_what_cannot_be_certified_is_refused_before_anything_runs(tmp_path: Path, text: Path) -> None:
    (tmp_path / "mine.py").write_text(HONEST)
    target = f"{tmp_path}/mine.py:score"
    with pytest.raises(BadConfig, match="text_bytes is 10"):
        certify(target, data=text, tokenizer=tmp_path / "any.model", text_bytes=10)
    with pytest.raises(NotFound, match="no text to certify on"):
        certify(target)
    with pytest.raises(NotFound, match="--tokenizer"):
        certify(target, data=text)
