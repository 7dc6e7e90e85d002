"""Node.js with AO's npm packages, for the tests that need them."""

import fcntl
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "js"
INSTALL_S, RUN_S = 300, 110


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder of the npm packages. The first test process that needs them installs them."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js and npm are not installed")
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = FOLDER / "node_modules" / ".package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < (FOLDER / "package-lock.json").stat().st_mtime:
            npm = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(npm, cwd=FOLDER, capture_output=True, text=True, timeout=INSTALL_S)
            if done.returncode:
                pytest.skip(f"npm could not install AO's packages: {done.stderr.strip()[-300:]}")
            installed.touch()
    return FOLDER


def run_js(script: str, *arguments: str, given: Any = None) -> Any:
    """Run a script and decode the JSON that it prints."""
    done = subprocess.run(
        ["node", script, *arguments],
        cwd=FOLDER,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
