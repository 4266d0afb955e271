"""Maintenance of the lake."""

import dagster as dg

from neighborconnect.contracts.topics import STREAMS
from neighborconnect.settings import Settings
from pipelines.run_control import NETWORK_RETRY


@dg.op(description="Merge the small files of each event table and delete the files that no retained version needs.")
def compact_tables(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Compact and vacuum every event table."""
    from pipelines.ingest.lake import compact, vacuum

    for stream in STREAMS:
        merged, deleted = compact(settings, stream.table), vacuum(settings, stream.table)
        context.log.info(f"{stream.table}: merged {merged} files, deleted {deleted}")


@dg.op(description="Delete the files of embeddings that no retained version needs.")
def vacuum_embeddings(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Vacuum the cache of embeddings."""
    from models.content.embeddings import embeddings_path
    from pipelines.ingest.lake import vacuum_path

    context.log.info(f"embeddings: deleted {vacuum_path(settings, embeddings_path(settings))} files")


@dg.job(description="Compaction and vacuum of the lake's tables.", op_retry_policy=NETWORK_RETRY)
def compact_lake() -> None:
    """Compact and vacuum."""
    compact_tables()
    vacuum_embeddings()


JOBS = [compact_lake]
