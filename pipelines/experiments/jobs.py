"""Hourly readout of the active experiments, which stops those that harm a guardrail."""

import dagster as dg

from neighborconnect.settings import Settings
from pipelines.run_control import EXPERIMENTS, NETWORK_RETRY, SLOT


@dg.op(description="Read out each active experiment, report it to the API, and stop it when a guardrail is harmed.")
def read_out_experiments(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Read out each active experiment. A failed one is retried by the next run and does not stop the others."""
    from pipelines.experiments import definitions, report

    failed = []
    for definition in definitions.read_active(settings):
        try:
            readout = report.read(settings, definition)
            breaches = "; ".join(readout.breaches)
            definitions.report(settings, readout, stop_reason=f"Guardrail: {breaches}" if breaches else "")
            report.log(settings, readout)
        except Exception as error:
            context.log.exception(f"experiment {definition.key}")
            failed.append(f"{definition.key}: {error}")
        else:
            verdict = readout.refusal or breaches or "no guardrail is harmed"
            context.log.info(f"{definition.key}: {readout.users} {verdict}")
    if failed:
        raise dg.Failure("; ".join(failed))


@dg.job(description="Readout of the active experiments.", tags={SLOT: EXPERIMENTS}, op_retry_policy=NETWORK_RETRY)
def experiments() -> None:
    """Read out experiments."""
    read_out_experiments()


JOBS = [experiments]
SCHEDULES = [
    # The marts are refreshed at minute 20.
    dg.ScheduleDefinition(job=experiments, cron_schedule="40 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
]
