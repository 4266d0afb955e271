"""Jobs of erasure and of data exports. Each has a run slot of its own, so that no training delays it."""

import dagster as dg

from neighborconnect.settings import Settings
from pipelines.run_control import DATA_EXPORTS, ERASURE, NETWORK_RETRY, SLOT


@dg.op(description="Erase the requested users in lake, warehouse, feature stores and models; report it to the API.")
def erase(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> list[str]:
    """Carry out the requested erasures; return the tables of the lake with erased rows."""
    from pipelines.privacy import erasure

    tables: list[str] = []
    if requested := erasure.read_due_erasures(settings):
        receipts = erasure.erase(settings, requested)
        for request in requested:
            erasure.report(settings, request, receipts)
        rows = {location: counts.total() for location, counts in receipts.counts.items()}
        for file in sorted({file for files in receipts.training_set_files.values() for file in files}):
            context.log.warning(f"{file} holds data of an erased user: delete it, or build the training set again")
        context.log.info(f"{len(requested)} erasures: {rows}")
        tables = receipts.lake_tables()
    return tables


@dg.op(description="Delete the bytes of the erased rows from the files and the logs of the lake's tables.")
def vacuum_erased_rows(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings], tables: list[str]) -> None:
    """Vacuum the tables that an erasure has changed. A reader that has opened one before may fail and is retried."""
    from pipelines.ingest.lake_maintenance import vacuum_erased

    for table in tables:
        context.log.info(f"{table}: deleted {vacuum_erased(settings, table)} files")


@dg.job(description="Erasure of users in the analytical stores.", tags={SLOT: ERASURE}, op_retry_policy=NETWORK_RETRY)
def erase_users() -> None:
    """Erase users, and the files that held their rows."""
    vacuum_erased_rows(erase())


@dg.op(description="Upload a user's rows of the lake and the feature store to each incomplete data export.")
def complete(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Complete every incomplete export. A failed one is retried by the next run and does not stop the others."""
    from pipelines.privacy import data_exports

    failed = []
    for export in data_exports.read_incomplete_exports(settings):
        try:
            size = data_exports.complete_export(settings, export)
        except Exception as error:
            context.log.exception(f"export {export.id}")
            failed.append(f"{export.id}: {error}")
        else:
            context.log.info(f"export {export.id}: {size} bytes")
    if failed:
        raise dg.Failure("; ".join(failed))


@dg.job(
    description="The analytical stores' part of users' data exports.",
    tags={SLOT: DATA_EXPORTS},
    op_retry_policy=NETWORK_RETRY,
)
def complete_data_exports() -> None:
    """Complete data exports."""
    complete()


JOBS = [erase_users, complete_data_exports]
