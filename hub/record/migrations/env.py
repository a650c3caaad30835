"""Alembic's environment: runs the migrations on the connection that it is handed (see `hub.record.migrate`)."""

from alembic import context

from hub.record.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
