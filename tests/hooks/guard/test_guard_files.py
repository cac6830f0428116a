"""What scores, what was recorded and what the humans set is not written to; everything else is free."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from guarded import EXPERIMENT, patch, refused, shell
from scene import git

from golf.play import notes
from golf.workspace import Workspace

FROZEN_WRITES = [
    "echo x > baselines/naive.json",
    "echo x >> eval.py",
    "echo x >| eval.py",
    "echo x &> eval.py",
    "echo x 2> eval.py",
    "> eval.py",
    ": > ./eval.py",
    "cat a > baselines/../eval.py",
    "cat <<'EOF' > eval.py\nprint(1)\nEOF",
    "echo x | tee eval.py",
    "echo x | sudo tee -a eval.py > /dev/null",
    "cp train_gpt.py eval.py",
    "cp train_gpt.py baselines/",
    "cp -t baselines train_gpt.py",
    "mv train_gpt.py baselines/naive.json",
    "mv eval.py old.py",
    "mv baselines old",
    "rm eval.py",
    "rm -f baselines/naive.json",
    "rm -rf baselines",
    "rm -rf ./baselines/",
    "rm -rf base*",
    "rm *",
    "rm -rf .",
    "find baselines -name '*.json' -delete",
    "find baselines -type f -exec rm {} +",
    "find . -name eval.py | xargs rm",
    "find . -name '*.json' -delete",
    "find . -iname eval.py -exec sed -i s/a/b/ {} ;",
    "find . -type f -exec rm {} +",
    'for f in x.py eval.py; do rm "$f"; done',
    "cat <<EOF | python -\nopen('eval.py', 'w')\nEOF",
    "echo \"open('eval.py', 'w')\" | python",
    "wget https://example.org/eval.py",
    "wget -q -P baselines https://example.org/naive.json",
    "curl -sSLO https://example.org/eval.py?raw=1",
    "git stash push baselines -m old; rm eval.py",
    "python -c \"import torch; torch.save(model, 'eval.py')\"",
    "python -c \"from pathlib import Path; (Path.cwd() / 'eval.py').write_text('')\"",
    "for f in baselines/*.json; do rm $f; done",
    'for f in eval.py; do sed -i s/a/b/ "$f"; done',
    "sed -i 's/a/b/' eval.py",
    "sed -i.bak -e 's/a/b/' eval.py",
    "sed --in-place=.bak 's/a/b/' eval.py",
    "perl -pi -e 's/a/b/' eval.py",
    "truncate -s 0 eval.py",
    "dd if=/dev/zero of=eval.py",
    "install -m 644 train_gpt.py eval.py",
    "ln -sf /tmp/x eval.py",
    "touch baselines/new.json",
    "chmod -R a-w baselines",
    "chmod +x eval.py",
    "cd baselines && rm naive.json",
    "cd baselines; echo x > naive.json",
    "(cd baselines && echo x > naive.json)",
    "pushd baselines && rm naive.json",
    "d=baselines; rm $d/naive.json",
    "rm $PWD/eval.py",
    "curl -o eval.py https://example.org/eval.py",
    "wget -O eval.py https://example.org/eval.py",
    "tar -xf x.tar -C baselines",
    "rsync -a /tmp/x/ baselines/",
    "git rm eval.py",
    "git mv eval.py old.py",
    "git checkout HEAD~3 -- eval.py",
    "git restore --source=main~2 eval.py",
    "git -C baselines rm naive.json",
    "ruff format eval.py",
    "black baselines",
    "vim eval.py",
    "sort -o eval.py eval.py",
    "bash -c 'echo x > eval.py'",
    "python -c \"open('eval.py', 'w').write('')\"",
    "python - <<'EOF'\nfrom pathlib import Path\np = Path('eval.py')\np.write_text(p.read_text().upper())\nEOF",
    "python3 -c \"import shutil; shutil.rmtree('baselines')\"",
    "python -c \"import re; re.sub('\\d', '', x); open('eval.py', 'w')\"",
    "python -c \"import subprocess; subprocess.run('rm eval.py', shell=True)\"",
    "apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: eval.py\n@@\n-a\n+b\n*** End Patch\nEOF",
    "cd baselines && apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: new.json\n+b\n*** End Patch\nEOF",
    "patch -p1 <<'EOF'\n--- a/eval.py\n+++ b/eval.py\n@@ -1 +1 @@\n-a\n+b\nEOF",
    "git apply - <<'EOF'\n--- a/eval.py\n+++ b/eval.py\n@@ -1 +1 @@\n-a\n+b\nEOF",
]

FREE_WRITES = [
    "cat eval.py > /tmp/x",
    "cp eval.py /tmp/mine.py",
    "cp -r baselines /tmp/baselines",
    "cp baselines/naive.json experiments/new/",
    "diff eval.py baselines/naive.json > /tmp/d",
    "python eval.py --checkpoint x.pt",
    "python eval.py > out.txt 2>&1",
    "sed -n 1,5p eval.py",
    "sed 's/a/b/' eval.py > mine.py",
    "grep -rn 'rm -rf' baselines",
    "git checkout -- eval.py",
    "git checkout HEAD -- baselines",
    "git checkout eval.py",
    "git restore eval.py baselines",
    "git restore --staged eval.py",
    "git add eval.py && git commit -m 'rm eval.py'",
    "git diff eval.py > /tmp/x.diff",
    "git checkout -b idea",
    "git apply --check /tmp/x.diff",
    "echo x > train_gpt.py",
    "echo x > baselines.md",
    "rm -rf tmp build",
    "rm -rf experiments/2026-11-22_never_played",
    "rm *.log",
    "ruff format train_gpt.py",
    "ruff check eval.py",
    "black --check baselines",
    "tee /tmp/x < eval.py",
    "mkdir -p experiments/new && touch experiments/new/config.yaml",
    f"echo x > experiments/{EXPERIMENT}/train_gpt.py",
    "python -c \"print(open('eval.py').read())\"",
    "python - <<'EOF'\nfrom pathlib import Path\nPath('mine.py').write_text(Path('eval.py').read_text())\nEOF",
    "python -c \"s = open('eval.py').read(); s = s.replace('a', 'b'); print(s)\"",
    "find . -name '*.py' | xargs wc -l",
    "find . -empty -type d -delete",
    "find . -name '*.pyc' -delete",
    "find . -type d -name __pycache__ -exec rm -rf {} +",
    "find . -type d -name __pycache__ | xargs rm -rf",
    "find . -path './build/*' -delete",
    "rm -rf */__pycache__",
    "rm -rf tmp_*",
    "cd $(mktemp -d); rm -rf *",
    'cd "$UNKNOWN_FOLDER" && rm -rf *',
    "git restore --staged .",
    "git stash push train_gpt.py",
    "git stash push -m 'eval.py' train_gpt.py",
    f"mkdir -p experiments/{EXPERIMENT}/logs experiments/new/logs",
    "python -c \"import os, sys; open(os.path.join(sys.argv[1], 'x.txt'), 'w')\" /tmp",
    "python -c \"open(f'{out}/metrics.json', 'w')\"",
    "python -c \"open(f'experiments/{name}/{file}', 'w')\"",
    "python -c \"subprocess.run(['rm', path])\"",
    "python -c \"from pathlib import Path; (Path(sys.argv[1]) / 'a' / 'b.txt').write_text('x')\"",
    "python -c \"import tempfile; open(os.path.join(tempfile.mkdtemp(), 'results.tsv'), 'w')\"",
    "python -c \"import glob, shutil\nfor p in glob.glob('*/__pycache__'): shutil.rmtree(p)\"",
    "python -c \"df.to_csv('mine.csv'); np.save('x.npy', a); torch.save(m, 'x.pt')\"",
    "wget https://example.org/data.bin",
    "case x in x) ls;; esac; files=(rm eval.py)",
    "find baselines -type f | xargs -I{} cp {} /tmp",
    "sqlite3 -readonly .golf/golf.db 'select 1'",
    "tail -3 results.tsv",
    "git stash list",
    "git clean -n",
    "tar czf /tmp/b.tgz baselines",
]

RECORD_WRITES = [
    "echo 'x\ty' >> results.tsv",
    "sed -i 1d results.tsv",
    "rm results.tsv",
    "mv results.tsv old.tsv",
    "git checkout -- results.tsv",
    "git restore results.tsv",
    "git reset --hard",
    "git stash",
    "echo '{}' >> notes.jsonl",
    "rm -rf .golf",
    "git worktree remove --force .golf/worktrees/job.seed1",
    "sqlite3 .golf/golf.db 'update paid_runs set spent = 0'",
    "touch .golf/jobs/x/cancel",
    f"echo '{{}}' > experiments/{EXPERIMENT}/result.json",
    f"echo '{{}}' > experiments/{EXPERIMENT}/review.json",
    f"rm -rf experiments/{EXPERIMENT}",
    "rm -rf experiments",
    f"rm experiments/{EXPERIMENT}/logs/train_seed1.log",
    f"cp other.ptz experiments/{EXPERIMENT}/artifact/seed1/final_model.int8.ptz",
    "cp result.json experiments/new/",
    "find experiments -name result.json -delete",
    "find experiments -name result.json -exec rm {} ;",
    "python -c \"df.to_csv('results.tsv', sep='\\t')\"",
    "rm -rf experiments/*",
    "rm experiments/*/result.json",
    "git clean -fdx",
    "python -c \"open('results.tsv', 'a').write('x')\"",
    "python -c \"from pathlib import Path; (Path('experiments') / name / 'result.json').write_text('{}')\"",
]

SETTING_WRITES = [
    "sed -i 's/total_usd = 500/total_usd = 5000/' golf.toml",
    "echo > .codex/hooks.json",
    "rm -rf .codex/rules",
    "rm .codex/agents/critic.toml",
]


def gate(workspace: Workspace, target: str) -> None:
    notes.allow_edits(workspace, target, "a new baseline is due", "human:ada")


@pytest.mark.parametrize("line", FROZEN_WRITES)
def test_a_write_to_what_scores_is_refused(line: str, idle: Workspace) -> None:
    assert shell(idle, line) is not None


@pytest.mark.parametrize("line", FREE_WRITES)
def test_reading_restoring_and_writing_elsewhere_pass(line: str, idle: Workspace) -> None:
    assert shell(idle, line) is None


@pytest.mark.parametrize("line", RECORD_WRITES)
def test_a_write_to_the_records_is_refused_whatever_was_overridden(line: str, idle: Workspace) -> None:
    assert "record" in (shell(idle, line) or "")


@pytest.mark.parametrize("line", SETTING_WRITES)
def test_limits_money_and_guards_are_the_humans(line: str, idle: Workspace) -> None:
    assert "golf record override" in (shell(idle, line) or "")


@pytest.mark.parametrize(
    "path",
    ["eval.py", "./eval.py", "baselines/new.json", "baselines/../eval.py", "results.tsv", "golf.toml", ".golf/x"],
)
@pytest.mark.parametrize(
    "form",
    [
        "*** Begin Patch\n*** Update File: {}\n@@\n-a\n+b\n*** End Patch",
        "*** Begin Patch\n*** Add File: {}\n+b\n*** End Patch",
        "*** Begin Patch\n*** Delete File: {}\n*** End Patch",
        "*** Begin Patch\n*** Update File: mine.py\n*** Move to: {}\n@@\n-a\n+b\n*** End Patch",
        "*** Begin Patch\n*** Update File: mine.py\n@@\n-a\n+b\n*** Update File: {}\n@@\n-a\n+b\n*** End Patch",
        "*** Begin Patch\n  *** Update File: {}  \n@@\n-a\n+b\n*** End Patch",
    ],
)
def test_a_patch_is_judged_by_every_file_it_names(path: str, form: str, idle: Workspace) -> None:
    assert refused(idle, "apply_patch", {"command": form.format(path)})
    assert refused(idle, "apply_patch", {"command": form.format(idle.root / path)})


def test_a_patch_of_other_files_passes_also_when_it_speaks_of_guarded_ones(idle: Workspace) -> None:
    assert refused(idle, "apply_patch", {"command": patch("train_gpt.py", "+*** Update File: eval.py")}) is None
    assert refused(idle, "apply_patch", {"command": patch("docs/eval.py")}) is None


def test_a_patch_is_read_from_the_folder_it_is_given_in(idle: Workspace) -> None:
    assert refused(idle, "apply_patch", {"command": patch("naive.json")}, cwd="baselines")
    assert refused(idle, "apply_patch", {"command": patch("eval.py")}, cwd="docs") is None


def test_a_link_into_a_frozen_folder_is_followed(course: Workspace) -> None:
    (course.root / "alias").symlink_to("baselines")
    assert shell(course, "rm alias/naive.json")


def test_the_frozen_paths_are_those_of_golf_toml(course: Workspace) -> None:
    (course.root / "golf.toml").write_text('[guard]\nfrozen = ["score/judge.py"]\n')
    assert shell(course, "rm score/judge.py")
    assert shell(course, "rm eval.py") is None


def test_an_unreadable_golf_toml_leaves_the_default_frozen(course: Workspace) -> None:
    (course.root / "golf.toml").write_text("[guard\n")
    assert shell(course, "rm eval.py")


def test_a_human_opens_a_frozen_folder_for_a_day(course: Workspace) -> None:
    gate(course, "baselines")
    assert shell(course, "echo x > baselines/naive.json") is None
    assert refused(course, "apply_patch", {"command": patch("baselines/naive.json")}) is None
    assert shell(course, "rm eval.py")
    gate(course, "golf.toml")
    assert shell(course, "sed -i s/a/b/ golf.toml") is None


@pytest.mark.parametrize(
    "spoilt",
    [
        {"at": (datetime.now(UTC) - timedelta(hours=25)).isoformat()},
        {"at": (datetime.now(UTC) + timedelta(days=400)).isoformat()},
        {"at": "soon"},
        {"by": "implementer"},
        {"kind": "finding"},
        {"target": "eval"},
        {"target": None},
        {"target": ["eval.py"]},
    ],
)
def test_only_a_fresh_override_of_that_path_by_a_human_opens_it(spoilt: dict[str, Any], course: Workspace) -> None:
    note = {
        "at": datetime.now(UTC).isoformat(),
        "by": "human:ada",
        "kind": "override",
        "text": "w",
        "target": "eval.py",
    }
    channel = course.root / "notes.jsonl"
    channel.write_text(json.dumps(note) + "\n")
    assert shell(course, "rm eval.py") is None
    channel.write_text(json.dumps({**note, **spoilt}) + "\ntorn {\n")
    assert shell(course, "rm eval.py")


def test_git_is_free_to_reset_what_it_does_not_know(course: Workspace) -> None:
    git(course.root, "rm", "-r", "--cached", "--quiet", ".")
    git(course.root, "add", "train_gpt.py")
    assert shell(course, "git reset --hard") is None
    assert shell(course, "git stash") is None
    assert shell(course, "git clean -fd")  # untracked, the ledger would go
    git(course.root, "add", "--all")
    assert shell(course, "git clean -fd") is None


@pytest.mark.parametrize("line", ["git stash", "git checkout .", "git reset --hard", "git checkout -- results.tsv"])
def test_git_may_bring_back_what_it_has_as_it_is(line: str, course: Workspace) -> None:
    git(course.root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "all")
    assert shell(course, line) is None
    (course.root / "results.tsv").write_text("a row more\n")
    assert shell(course, line)


def test_a_tool_of_another_server_that_writes_is_judged_by_its_paths(idle: Workspace) -> None:
    assert refused(idle, "mcp__filesystem__write_file", {"path": "eval.py", "content": "x"})
    assert refused(idle, "mcp__filesystem__edit_file", {"edits": [{"path": str(idle.root / "results.tsv")}]})
    assert refused(idle, "mcp__filesystem__read_file", {"path": "eval.py"}) is None
    assert refused(idle, "mcp__filesystem__write_file", {"path": "mine.py", "content": "eval.py\n"}) is None


CHECKPOINTS = ["git add outputs/model.pt", "git add -f checkpoints/a/b.safetensors", "git stage outputs/x.ptz"]
CHECKPOINTS += ["git add -A", "git add .", "git add outputs", "git add -f .", "cd outputs && git add model.pt"]
CHECKPOINTS += ["git commit -m x outputs/model.pt", "git add 'outputs/*.pt'", "git -C outputs add ."]


@pytest.mark.parametrize("line", CHECKPOINTS)
def test_a_checkpoint_is_not_committed(line: str, course: Workspace) -> None:
    for name in ("outputs/model.pt", "checkpoints/a/b.safetensors", "outputs/x.ptz"):
        (course.root / name).parent.mkdir(parents=True, exist_ok=True)
        (course.root / name).write_bytes(b"x")
    assert "checkpoint" in (shell(course, line) or "")


def test_other_files_are_committed_and_ignored_checkpoints_stay_out_by_themselves(course: Workspace) -> None:
    (course.root / "outputs").mkdir()
    (course.root / "outputs" / "model.pt").write_bytes(b"x")
    (course.root / "outputs" / "eval_report.md").write_text("x")
    (course.root / ".gitignore").write_text("*.pt\n")
    assert shell(course, "git add outputs/eval_report.md") is None
    assert shell(course, "git add -A && git commit -m 'no *.pt from outputs/'") is None
    assert shell(course, "git add -f -A")
