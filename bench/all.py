"""Every bench, one after the other: python bench/all.py. Some minutes; figures go to bench/RESULTS.md."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHES = (
    "decide_speed.py",
    "reaction.py",
    "ocpp_throughput.py",
    "simulate_speed.py",
    "storage_growth.py",
    "run_footprint.py",
    "mixed.py",
    "allocation.py",
)


def main() -> int:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    print(f"{model}, Python {platform.python_version()}, {platform.system()}")
    failed = 0
    for bench in BENCHES:
        print(f"\n== {bench}", flush=True)
        failed += subprocess.run([sys.executable, str(HERE / bench)], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
