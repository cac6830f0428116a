"""What a run reaches beyond its artifact."""

from toy_case import toy_case

from golf.referee.checks.access import findings


def codes(script: str, **more: str) -> list[tuple[str, str]]:
    return [(one.code, one.severity) for one in findings(toy_case(script, **more))]


def test_a_download_that_the_script_reaches_is_found() -> None:
    assert codes("import urllib.request\nblob = urllib.request.urlopen('x').read()\n") == [("NETWORK", "flag")]


def test_a_download_that_nobody_calls_is_none() -> None:
    assert codes("import requests\ndef fetch():\n    return requests.get('x')\nprint(1)\n") == []


def test_an_install_at_start_up_is_worth_a_note() -> None:
    script = "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'brotli'])\n"
    assert codes(script) == [("NETWORK", "note")]


def test_an_unknown_library_is_worth_a_note() -> None:
    assert codes("import frobnicate\nimport torch, math, beside\n", beside="x = 1\n") == [("CUSTOM_LIB", "note")]
