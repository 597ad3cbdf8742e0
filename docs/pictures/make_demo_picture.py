"""Makes docs/pictures/demo.svg, the picture of the README, from a real run of the demo.

Run: python docs/pictures/make_demo_picture.py [SECONDS]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SECONDS = "75"
"""By then the kettle is on and all four chargers have a car."""


def main() -> int:
    seconds = sys.argv[1] if len(sys.argv) > 1 else SECONDS
    picture = Path(__file__).with_name("demo.svg")
    command = ["-m", "ampacity.cli.main", "demo", "--plain", "--seconds", seconds, "--save-picture", str(picture)]
    return subprocess.run([sys.executable, *command], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
