"""One simulation as a process: python -m ampacity.sim.command SITE BUILDING SESSIONS OUT LAG REPORT_EVERY SEED.

Tells its progress on standard output, for the command line that started it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ampacity.config.site_toml import load
from ampacity.config.steered import effective
from ampacity.core.errors import AmpacityError
from ampacity.sim.simulate import Story, simulate, write_summary
from ampacity.sim.tables import TableError, read_building, read_sessions


def main(arguments: list[str]) -> int:
    """Exit code 0, or 1 after saying on standard error what is wrong."""
    site_file, building_file, sessions_file, out = (Path(one) for one in arguments[:4])
    lag_s, report_every_s, seed = (int(one) for one in arguments[4:])
    errors: list[str] = []
    try:
        site = effective(load(site_file))
        building = read_building(building_file, len(site.supply.lines))
        sessions = read_sessions(sessions_file, {str(c.id): c.phases for c in site.chargers})
        out.mkdir(parents=True, exist_ok=True)
    except (AmpacityError, TableError) as error:
        errors.append(str(error))
    except OSError as error:
        errors.append(f"{out} can't be written ({error.strerror}). Choose another folder.")
    if errors:
        sys.stderr.write("".join(f"error {line}\n" for text in errors for line in text.splitlines()))
        return 1
    story = Story(
        site=site, building=building, sessions=sessions, lag_s=lag_s, report_every_s=report_every_s, seed=seed
    )
    summary = simulate(story, out / "trace.csv", progress=_tell)
    write_summary(out / "summary.json", summary)
    sys.stdout.write("stage drawing\n")
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "ampacity.sim.picture", str(out)], check=False).returncode


def _tell(done: int, of: int) -> None:
    sys.stdout.write(f"progress {done / of:.4f}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
