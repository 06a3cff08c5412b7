"""Completion of the command line, as docs/how-to/shell-completion.md sets it up."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from tests.acceptance.processes import run
from tests.docs.pages import ROOT, fences

PAGE = ROOT / "docs/how-to/shell-completion.md"
SCRIPT = ".local/share/bash-completion/completions/statusgate"
LINES = {
    "sim": "simulate",
    "post text --a": "--at",
    "simulate receipt B1 79001234567@c.us ": "delivered read",
    "post image ": "the names of files",
}
ASK = """
COMPREPLY=()
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_statusgate_completion statusgate
echo "${{COMPREPLY[*]}}"
"""


@pytest.mark.skipif(which("bash") is None, reason="there is no bash")
def test_bash_completes_words_and_files_after_what_the_page_says(tmp_path: Path) -> None:
    [setting_up] = [text for label, text in fences(PAGE) if label == "bash"]
    asked = [shlex.join(["statusgate", *line.split(" ")]) for line in LINES]
    # only a line editor may ask the shell for names of files
    files = 'compopt() { echo -n "the names of files"; }'
    lines = [setting_up, f". ~/{SCRIPT}", files, *(ASK.format(words=words) for words in asked)]
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-euc", "\n".join(lines)],
        env={"HOME": str(tmp_path), "PATH": programs},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == list(LINES.values())


@pytest.mark.parametrize(
    ("shell", "begins"), [("zsh", "#compdef statusgate"), ("fish", "function")]
)
def test_zsh_and_fish_get_a_script_of_their_own(shell: str, begins: str) -> None:
    [setting_up] = [text for label, text in fences(PAGE) if label == shell]
    value = f"{shell}_source"
    assert f"_STATUSGATE_COMPLETE={value} statusgate" in setting_up
    script = run(environment={"_STATUSGATE_COMPLETE": value})
    assert script.stdout.startswith(begins)
    asked = {"COMP_WORDS": "statusgate sim", "COMP_CWORD": "1" if shell == "zsh" else "sim"}
    told = run(environment=asked | {"_STATUSGATE_COMPLETE": f"{shell}_complete"})
    assert "simulate" in told.stdout
