"""Jobs: which assets are made together."""

import dagster as dg

from neighborconnect.contracts.topics import STREAMS
from neighborconnect.settings import Settings
from pipelines.assets import content, expectations, features, landing, matching, recommendation, vision
from pipelines.assets.names import (
    FEATURE_REGISTRY,
    LATEST,
    OFFLINE,
    ONLINE,
    SNAPSHOTS,
    VECTORS,
    bento_key,
)
from pipelines.run_control import COPIES, ERASURE, SERVING, SLOT

# The expectations are held daily: their library takes longer to import than the marts take to build.
_expectations = dg.AssetSelection.checks(*expectations.CHECKS)
_marts = dg.AssetSelection.groups("staging", "intermediate", "marts") - _expectations
_newest_features = dg.AssetSelection.key_prefixes([LATEST], [ONLINE])
_recommended = (
    dg.AssetSelection.groups(recommendation.GROUP) & dg.AssetSelection.key_prefixes([SNAPSHOTS], [VECTORS])
) | dg.AssetSelection.keys(bento_key("recommendation"))
_served = _recommended | dg.AssetSelection.keys(matching.TOWN_KEY, bento_key("matching"))
_recommenders = dg.AssetSelection.groups(recommendation.GROUP) | _recommended
_matching = dg.AssetSelection.groups(matching.GROUP) | dg.AssetSelection.keys(bento_key("matching"))
_content = dg.AssetSelection.groups(content.GROUP) | dg.AssetSelection.keys(bento_key("content"))
_vision = dg.AssetSelection.groups(vision.GROUP) | dg.AssetSelection.keys(bento_key("image"), bento_key("video"))

build_warehouse = dg.define_asset_job(
    "build_warehouse", selection=_marts, description="Build and test the warehouse with dbt."
)
refresh_features = dg.define_asset_job(
    "refresh_features", selection=_newest_features, description="The newest features, offline and online."
)
restore_online_store = dg.define_asset_job(
    "restore_online_store",
    selection=dg.AssetSelection.key_prefixes([ONLINE]) | dg.AssetSelection.key_prefixes([VECTORS]),
    description="Write the online store in full after Redis was emptied: features and user vectors.",
    tags={SLOT: SERVING},
)
apply_features = dg.define_asset_job(
    "apply_features",
    selection=dg.AssetSelection.keys(FEATURE_REGISTRY),
    description="Bring the feature registry up to date with the code.",
)
record_features = dg.define_asset_job(
    "record_features",
    selection=dg.AssetSelection.key_prefixes([OFFLINE]),
    partitions_def=features.DAYS,
    description="A day of feature history; a backfill takes a range of days in one run.",
)
refresh_serving = dg.define_asset_job(
    "refresh_serving",
    selection=_marts | _served,
    description="Items and people's vectors that are new since the training, brought to serving without a training.",
)
train_recommenders = dg.define_asset_job(
    "train_recommenders",
    selection=_marts | _newest_features | _recommenders,
    description="Train both recommenders on what is known now, and serve those that pass the gate.",
)
train_content = dg.define_asset_job(
    "train_content",
    selection=_content,
    description="Let the content models learn from moderators, serve them if they pass, and find what is talked about.",
)
train_matching = dg.define_asset_job(
    "train_matching",
    selection=_matching,
    description="Take the town as it is now, learn who fits whom, and serve what passes the gate.",
)
train_vision = dg.define_asset_job(
    "train_vision",
    selection=_vision,
    description="Take the vision networks as they are installed, examine them, and serve them if they pass.",
)
check_landing = dg.define_asset_job(
    "check_landing",
    selection=dg.AssetSelection.checks_for_assets(*landing.CHECKED_KEYS),
    description="Hold the lake and the warehouse's mirror against each other.",
)
check_marts = dg.define_asset_job(
    "check_marts", selection=_expectations, description="Hold the marts against what their rows may be."
)
bootstrap = dg.define_asset_job(
    "bootstrap",
    selection=dg.AssetSelection.keys(FEATURE_REGISTRY)
    | dg.AssetSelection.key_prefixes([OFFLINE])
    | _marts
    | _newest_features
    | _recommenders
    | _content
    | _matching
    | _vision,
    description="The first run: everything there is, once.",
)
ASSET_JOBS = (
    build_warehouse,
    refresh_features,
    restore_online_store,
    apply_features,
    record_features,
    refresh_serving,
    train_recommenders,
    train_content,
    train_matching,
    train_vision,
    check_landing,
    check_marts,
    bootstrap,
)


@dg.op(description="Merge the small files of each event table, and delete those that no reader needs any more.")
def compact_events(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Keep the lake's event tables quick to read."""
    from pipelines.erasure_models import vacuum_embeddings
    from pipelines.ingest.lake import compact, vacuum

    for stream in STREAMS:
        merged, deleted = compact(settings, stream.table), vacuum(settings, stream.table)
        context.log.info(f"{stream.table}: {merged} files merged, {deleted} deleted")
    context.log.info(f"embeddings: {vacuum_embeddings(settings)} files deleted")


@dg.op(description="Forget whoever asked for it in lake, warehouse and feature stores, and put it on their receipts.")
def forget(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Forget people."""
    from pipelines import erasure

    if erasures := erasure.wanted(settings):
        receipts = erasure.forget(settings, erasures)
        for one in erasures:
            erasure.report(settings, one, receipts)
        seen_to = {place: counts.total() for place, counts in receipts.numbers.items()}
        context.log.info(f"{len(erasures)} erasures: {seen_to}")


@dg.job(description="Erasures, in the stores that the pipelines look after.", tags={SLOT: ERASURE})
def forget_people() -> None:
    """Forget whoever asked for it."""
    forget()


@dg.op(description="Put what lake and feature store have of a person beside the copy that they asked for.")
def copy(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Complete every copy that waits; one that fails is tried again with the next look, and keeps no other."""
    from pipelines import copies

    failed = []
    for one in copies.waiting(settings):
        try:
            size = copies.complete(settings, one)
        except Exception as error:
            context.log.exception(f"copy {one.id}")
            failed.append(f"{one.id}: {error}")
        else:
            context.log.info(f"copy {one.id}: {size} bytes")
    if failed:
        raise dg.Failure("; ".join(failed))


@dg.job(description="The analytical stores' part of people's copies of what is known of them.", tags={SLOT: COPIES})
def complete_copies() -> None:
    """Complete copies."""
    copy()


@dg.job(description="Upkeep of the lake's event tables.")
def compact_lake() -> None:
    """Compact and vacuum."""
    compact_events()
