"""Articles, their full-text index, and settings."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "article",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("case_id", sa.String(100), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_article"),
        sa.UniqueConstraint("case_id", "language", name="uq_article_case_id"),
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )
    # The tokens are made by guide/grams.py; SQLite only splits them at spaces.  Nobody asks for phrases, yet
    # without their positions SQLite would read every text it finds once more to rank it.
    op.execute(
        "CREATE VIRTUAL TABLE article_index USING fts5("
        "codes, title, error_text, tags, summary, body, detail=full, "
        "tokenize=\"unicode61 remove_diacritics 0 tokenchars '_'\")"
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_table("article_index")
    op.drop_table("setting")
    op.drop_table("article")
