"""Opens the embedded database and brings its schema up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

FILE_NAME = "library.sqlite3"
# The newest migration; a test keeps it true.  Knowing it here spares alembic's import when nothing is to do.
HEAD = "0001"
_BUSY_SECONDS = 10.0


class UnusableDatabaseError(Exception):
    """The file is no database of ours, is newer than this program, or SQLite lacks full-text search."""


def open_database(path: Path | None) -> Engine:
    """Opens the database at ``path``, made and migrated where needed; ``None`` keeps it in memory.

    Raises:
        OSError: its folder cannot be made.
        UnusableDatabaseError: it cannot be opened, or is not one this version can use.
    """
    if path is not None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # One connection for everything where the database lives in memory: another one would be empty.
    options: dict[str, Any] = {"poolclass": StaticPool} if path is None else {}
    engine = create_engine(
        "sqlite://" if path is None else f"sqlite:///{path}",
        connect_args={"timeout": _BUSY_SECONDS},
        **options,
    )
    event.listen(engine, "connect", _prepare)
    try:
        with engine.connect() as connection:
            current = _schema_of(connection)
        if current != HEAD:
            with writing(engine) as connection:
                _migrate(connection)
    except DatabaseError as error:
        engine.dispose()
        raise UnusableDatabaseError(str(error.orig)) from error
    except UnusableDatabaseError:
        engine.dispose()
        raise
    return engine


def _prepare(connection: Any, _record: object) -> None:
    """Readers go on while an import writes; a crash loses nothing that was committed."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Opens a transaction that holds the only pen from its beginning.

    SQLite's own transactions read first and ask for the pen when they write; by then another process may
    have changed what was read.

    Raises:
        sqlalchemy.exc.DatabaseError: another process keeps writing, or the disk is full or read-only.
    """
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


def _schema_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _migrate(connection: Connection) -> None:
    current = _schema_of(connection)
    if current == HEAD:
        return  # another process was quicker
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    with resources.as_file(resources.files(__package__) / "migrations") as scripts:
        config.set_main_option("script_location", str(scripts))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        if current is not None:
            try:
                ScriptDirectory.from_config(config).get_revision(current)
            except CommandError as error:
                raise UnusableDatabaseError(f"schema {current}, made by a newer version") from error
        command.upgrade(config, "head")
