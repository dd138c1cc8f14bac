"""The tables of the embedded database."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, UniqueConstraint

# Constraints without names cannot be changed by a later migration.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

article = Table(
    "article",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_id", String(100), nullable=False),
    Column("language", String(2), nullable=False),
    # Empty for the articles of the package, else the file it was read from.
    Column("source", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("tags", Text, nullable=False),  # casefolded, one a line
    Column("text", Text, nullable=False),  # of the whole file, with the articles of other languages
    UniqueConstraint("case_id", "language"),
)
"""One row for each article in one language."""

setting = Table(
    "setting",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("value", Text, nullable=False),
)
"""What the program remembers, e.g. which edition of its own articles is indexed."""

ARTICLE_INDEX = "article_index"
"""Virtual FTS5 table: the grams of an article, column by column; its rowid is ``article.id``."""
INDEX_COLUMNS = ("codes", "title", "error_text", "tags", "summary", "body")
