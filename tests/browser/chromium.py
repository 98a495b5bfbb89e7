"""Which Chromium the tests drive: one that is installed. None is ever downloaded. As a script, it prints the path."""

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ELSEWHERE = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
MISSING = (
    "make test-browser needs an installed Chromium, and none was found: install one (on Debian: apt install chromium), "
    "or set CHROMIUM to the path of its program."
)


def find() -> str:
    """The program's path; nothing where there is none."""
    if asked := os.environ.get("CHROMIUM"):
        return shutil.which(asked) or ""
    found = (shutil.which(name) for name in NAMES)
    return next(filter(None, found), "") or next((path for path in ELSEWHERE if Path(path).exists()), "")


def arguments() -> list[str]:
    """Chromium's own sandbox refuses to be started by root, and containers have little shared memory."""
    return ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]


if __name__ == "__main__":
    print(find())
    sys.exit(0 if find() else MISSING)
