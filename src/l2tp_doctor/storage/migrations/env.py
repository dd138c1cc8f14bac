"""What alembic runs: the migrations on the connection that the caller has opened."""

from alembic import context

from l2tp_doctor.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column only by making the table anew
)
with context.begin_transaction():
    context.run_migrations()
