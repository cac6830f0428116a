"""What Caddie documents instead of doing: the lines of those pages are tried (S95, S110)."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

DOCS = Path(__file__).parents[1] / "docs"
MODELS = [
    ("a/open", ["license:mit", "pytorch"], 10_000_000),
    ("b/best", ["license:cc-by-nc-4.0"], 90_000_000),
    ("c/both", ["license:mit", "license:other"], 5_000_000),
    ("d/silent", ["pytorch"], 1_000_000),
    ("e/apache", ["license:apache-2.0"], 0),
]


def sizes(total: int) -> dict[str, object]:
    return {"parameters": {}, "total": total}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


@pytest.fixture
def hub() -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """A stand-in on loopback that filters models by their tags, as the Hub does."""
    asked: list[dict[str, list[str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            asked.append(query)
            wanted = {tag for tag in query.get("filter", []) if ":" in tag}
            found = [
                {"_id": name, "id": name, "tags": tags, **({"safetensors": sizes(total)} if total else {})}
                for name, tags, total in MODELS
                if wanted <= set(tags)
            ]
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_s95_the_documented_lines_choose_models_by_licence_through_the_hub_s_own_client(
    hub: tuple[str, list[dict[str, list[str]]]],
) -> None:
    from huggingface_hub import HfApi

    url, asked = hub
    (code,) = blocks("models-and-datasets.md", "python")
    names: dict[str, object] = {}
    exec(compile(code, "models-and-datasets.md", "exec"), names)
    candidates = names["candidates"]
    assert callable(candidates)
    assert candidates(HfApi(endpoint=url, token=False), "text-generation") == [
        ("e/apache", "apache-2.0", 0),
        ("a/open", "mit", 10_000_000),
    ]
    assert all(any(tag.startswith("license:") for tag in query["filter"]) for query in asked)
    assert all("text-generation" in str(query) for query in asked)


def test_s95_the_prompts_filter_by_licence_ask_for_evidence_and_wait() -> None:
    prompts = blocks("models-and-datasets.md", "text")
    assert len(prompts) == 2
    for prompt in prompts:
        assert "Only licences from this list" in prompt
        assert "commit" in prompt and "Download nothing until I have answered" in prompt
    assert "parameters" in prompts[0] and "a train and a test split" in prompts[1]


def test_s110_the_page_says_that_no_kernel_runs_cells_and_its_check_tells_a_good_notebook_from_a_broken_one(
    tmp_path: Path,
) -> None:
    text = (DOCS / "codex.md").read_text()
    section = text.partition("## Notebooks")[2].partition("\n## ")[0]
    assert "nothing runs its cells" in section and "no kernel" in section
    (line,) = re.findall(r"```sh\npython -c \"(.*)\" a\.ipynb\n```", section)

    def check(source: list[str]) -> int:
        cells = [{"cell_type": "markdown", "source": ["# not ( python"]}, {"cell_type": "code", "source": source}]
        (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}))
        command = [sys.executable, "-c", line, "a.ipynb"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode

    assert check(["x = 1\n", "open('ran', 'w')\n"]) == 0
    assert check(["x = (1\n"]) != 0
    assert not (tmp_path / "ran").exists()
