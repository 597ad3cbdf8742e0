"""Writes blocks and history into the database: one transaction at a time, all of it or nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, insert

from ampacity.core.observations import SessionEnded
from ampacity.storage.blocks import Block, Described, Turn
from ampacity.storage.codec import packed_site
from ampacity.storage.database import writing
from ampacity.storage.records import write_begin, write_end
from ampacity.storage.rollup import Roller
from ampacity.storage.schema import batches, gaps, runs, sites, snapshots

SNAPSHOT_S = 600.0


class Ledger:
    """The rows of one run. Used by one thread."""

    def __init__(self, engine: Engine, *, version: str, started_wall_s: float, started_s: float) -> None:
        self._engine = engine
        self._version = version
        self._started_wall_s, self._started_s = started_wall_s, started_s
        self._run: int | None = None
        self._described: Described | None = None
        """The site of the block written last."""
        self._snapshot_s = -math.inf

    def write(self, blocks: Sequence[Block], roller: Roller) -> None:
        """
        Raises:
            SQLAlchemyError, ValueError, OverflowError: nothing of it was written.
        """
        described, snapshot_s = self._described, self._snapshot_s
        with writing(self._engine) as connection:
            run = self._begin_run(connection) if self._run is None else self._run
            for block in blocks:
                if block.gap is not None:
                    connection.execute(
                        insert(gaps).values(
                            run=run,
                            first_s=block.gap.first_s,
                            last_s=block.gap.last_s,
                            passes=block.gap.passes,
                            why=block.gap.why[:200],
                        )
                    )
                if block.described is not described:
                    _write_site(connection, run, block)
                    described = block.described
                    snapshot_s = -math.inf
                if block.gap is not None:
                    snapshot_s = -math.inf
                if block.first_s - snapshot_s >= SNAPSHOT_S and _write_snapshot(connection, run, block):
                    snapshot_s = block.first_s
                _write_batch(connection, run, block)
                for turn in block.turns:
                    _write_turn(connection, turn)
            roller.write(connection)
        self._run, self._described, self._snapshot_s = run, described, snapshot_s
        roller.written()

    def _begin_run(self, connection: Connection) -> int:
        row = insert(runs).values(started_s=self._started_wall_s, monotonic_s=self._started_s, version=self._version)
        return int(connection.execute(row.returning(runs.c.id)).scalar_one())


def _write_site(connection: Connection, run: int, block: Block) -> None:
    site = packed_site(block.described.site)
    connection.execute(insert(sites).values(run=run, from_s=block.first_s, site=site, toml=block.described.toml))


def _write_snapshot(connection: Connection, run: int, block: Block) -> bool:
    body = block.start()
    if body is None:
        return False
    connection.execute(insert(snapshots).values(run=run, before_s=block.first_s, wall_s=block.first_wall_s, body=body))
    return True


def _write_batch(connection: Connection, run: int, block: Block) -> None:
    connection.execute(
        insert(batches).values(
            run=run,
            first_s=block.first_s,
            last_s=block.last_s,
            wall_s=block.wall_s,
            passes=block.count,
            body=block.body,
            first_pass=block.number,
        )
    )


def _write_turn(connection: Connection, turn: Turn) -> None:
    """What is stored of the session already stays: its end was durable before it came here."""
    if isinstance(turn.one, SessionEnded):
        write_end(connection, turn.one, turn.wall_s)
    else:
        write_begin(connection, turn.one, turn.wall_s)
