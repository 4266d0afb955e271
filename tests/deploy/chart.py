"""The Helm chart as rendered objects: by value file, and its pods with what they run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from tempfile import NamedTemporaryFile
from typing import Any

import yaml
from dagster import DagsterRun
from dagster._config import process_config, resolve_to_config_type

from tools.helm import HELM_PACKAGES, helm_program
from tools.helm_values.schema import CHART

# Behind the packages of the environment, which have the versions of constraints.txt.
sys.path.append(str(HELM_PACKAGES))

RELEASE = "nc"
PREFIX = "nc-neighborconnect-"
DEFAULT = "default"
CASES = (DEFAULT, *sorted(file.stem for file in (CHART / "ci").glob("*.yaml")))
COMPONENTS: dict[str, dict[str, Any]] = yaml.safe_load((CHART / "files" / "components.yaml").read_text())
Object = dict[str, Any]
_KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
users: [{name: none, user: {}}]
current-context: none
"""


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm without its plugins and caches of the user."""
    return subprocess.run([helm_program(), *arguments], capture_output=True, text=True, check=False)


def values_arguments(case: str) -> list[str]:
    return [] if case == DEFAULT else ["--values", str(CHART / "ci" / f"{case}.yaml")]


def _rendered(arguments: tuple[str, ...]) -> str:
    done = helm("template", RELEASE, str(CHART), "--namespace", "town", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def objects(case: str, *more: str) -> list[Object]:
    """Return every object that the chart renders with a value file; tests share and do not change them."""
    return [
        each for each in yaml.load_all(_rendered((*values_arguments(case), *more)), Loader=yaml.CSafeLoader) if each
    ]


def of_kind(found: list[Object], kind: str) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


@dataclass(frozen=True)
class Workload:
    """A Deployment, the Job of the hook, or the Job of a Dagster run."""

    name: str
    kind: str
    component: str
    labels: Mapping[str, str]
    pod: Object

    @property
    def container(self) -> Object:
        [container] = self.pod["containers"]
        return container

    @property
    def environment(self) -> dict[str, str]:
        return {entry["name"]: entry["value"] for entry in self.container["env"] if "value" in entry}

    @property
    def secrets(self) -> dict[str, Object]:
        return {
            entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in self.container["env"] if "valueFrom" in entry
        }


def dagster_config(found: list[Object]) -> Object:
    config: Object = yaml.safe_load(of_kind(found, "ConfigMap")[f"{PREFIX}dagster"]["data"]["dagster.yaml"])
    return config


@cache
def run_job(case: str) -> Object:
    """Return the Job of a run, as Dagster's launcher makes it from the rendered configuration."""
    # Installed by `make helm`, next to the packages of the environment.
    jobs, launchers = import_module("dagster_k8s.job"), import_module("dagster_k8s.launcher")
    api_client = import_module("kubernetes.client").ApiClient()
    launcher = dagster_config(objects(case))["run_launcher"]
    assert (launcher["module"], launcher["class"]) == ("dagster_k8s", "K8sRunLauncher")
    checked = process_config(resolve_to_config_type(launchers.K8sRunLauncher.config_type()), launcher["config"])
    assert checked.success, checked.errors
    assert checked.value is not None
    # Its constructor reads credentials of a cluster, which no call here uses.
    with NamedTemporaryFile("w", suffix=".yaml") as kubeconfig:
        kubeconfig.write(_KUBECONFIG)
        kubeconfig.flush()
        config = {**checked.value, "load_incluster_config": False, "kubeconfig_file": kubeconfig.name}
        program = launchers.K8sRunLauncher(**config)
    context = program.get_container_context_for_run(DagsterRun(job_name="train"))
    job = jobs.construct_dagster_k8s_job(
        job_config=context.get_k8s_job_config(job_image=None, run_launcher=program),
        args=["dagster", "api", "execute_run"],
        job_name="dagster-run",
        component="run_worker",
        user_defined_k8s_config=context.run_k8s_config,
    )
    rendered: Object = api_client.sanitize_for_serialization(job)
    return rendered


def workloads(found: list[Object]) -> Iterator[Workload]:
    for each in found:
        if each["kind"] in {"Deployment", "Job"}:
            template = each["spec"]["template"]
            labels = template["metadata"]["labels"]
            yield Workload(
                name=each["metadata"]["name"],
                kind=each["kind"],
                component=labels["neighborconnect.io/component"],
                labels=labels,
                pod=template["spec"],
            )
