"""The embedded database: its schema, its migrations, and files that are not ours."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from l2tp_doctor.storage import database, tables
from l2tp_doctor.storage.database import HEAD, UnusableDatabaseError, open_database
from l2tp_doctor.storage.folder import data_folder


def test_the_migrations_make_the_tables_that_the_program_declares(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "deep" / "library.sqlite3")
    with engine.connect() as connection:
        differences = compare_metadata(
            MigrationContext.configure(
                connection,
                # The index's own tables are SQLite's, made by the virtual table.
                opts={"include_name": lambda name, *_: not str(name).startswith(tables.ARTICLE_INDEX)},
            ),
            tables.metadata,
        )
        columns = [row.name for row in connection.execute(text(f"PRAGMA table_info({tables.ARTICLE_INDEX})"))]
    engine.dispose()
    assert differences == []
    assert tuple(columns) == tables.INDEX_COLUMNS


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    engine = open_database(path)
    with engine.begin() as connection:
        connection.execute(tables.setting.insert().values(name="a", value="b"))
    engine.dispose()
    engine = open_database(path)
    with engine.connect() as connection:
        assert connection.execute(tables.setting.select()).all() == [("a", "b")]
    engine.dispose()


def test_in_memory_every_connection_sees_the_same_tables() -> None:
    engine = open_database(None)
    with engine.connect() as one, engine.connect() as two:
        assert inspect(one).has_table("article")
        assert inspect(two).has_table("article")
    engine.dispose()


def test_a_file_that_is_no_database_is_said_to_be_unusable_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    path.write_bytes(b"this is a shopping list, not a database" * 100)
    with pytest.raises(UnusableDatabaseError):
        open_database(path)
    assert path.read_bytes().startswith(b"this is a shopping list")


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    open_database(path).dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(UnusableDatabaseError, match="newer"):
        open_database(path)


def test_the_folder_can_be_chosen() -> None:
    assert data_folder({"L2TP_DOCTOR_HOME": "here"}) == Path("here")
    assert data_folder({}).name == "l2tp-doctor"
