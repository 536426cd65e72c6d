"""Prints the platform as manifests for Kubernetes, made from docker-compose.yml and the env file.

python -m deploy.kubernetes --state .platform \\
    --images registry.example.org/team/ --tag 1 > platform.yaml
kubectl create secret generic heart-reader --from-env-file=.platform/env
kubectl apply -f platform.yaml

No secret is printed: containers take theirs from that Secret. With ``EXTERNAL_POSTGRES``
(HOST:PORT) or ``EXTERNAL_S3`` (an address) in the env file, one's own is used and ours isn't made.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.compose import FILE, interpolate, read_variables
from deploy.make_secrets import SECRETS
from deploy.state import state_folder
from deploy.stores.external import External
from heart_reader.cli.entry import dotted_options, run_entry
from heart_reader.errors import ConfigError

Tree = dict[str, Any]
NAME = "heart-reader"  # of the Secret, and the label of everything
IMAGE_USERS = {"postgres": 999, f"{NAME}-server": 10001, f"{NAME}-worker": 10001}
SIZES = {"postgres": "20Gi", "objects": "200Gi", "cache": "50Gi", "backups": "200Gi"}
STATEFUL = ("postgres", "objects")
# Servers' ports by which the others find them.
PORTS = {"postgres": ("POSTGRES_PORT", 5432), "objects": ("S3_PORT", 8333),
         "mlflow": ("MLFLOW_PORT", 5000), "sync": ("SYNC_PORT", 5005)}  # fmt: skip
# A volume's own folder may hold lost+found, which initdb refuses.
CONTAINED = {"POSTGRES_DATA": "/var/lib/postgresql/data/pgdata"}
SCHEDULE = "30 2 * * *"  # of backups


def main(words: Sequence[str]) -> None:
    """Prints the manifests."""
    options = dotted_options(words)
    images, tag = options.pop("images", ""), options.pop("tag", "latest")
    variables = read_variables(state_folder(options))
    made = manifests(variables, images, tag)
    yaml.safe_dump_all(made, sys.stdout, sort_keys=False)


def manifests(
    variables: Mapping[str, str], images: str, tag: str, file: Path = FILE
) -> list[Tree]:
    """All of them, in the order in which they are made.

    Args:
        variables: of the env file; secrets among them aren't used.
        images: what stands before the names of our images, such as ``registry.example.org/team/``.
        tag: of our images.
    """
    return Platform(variables, images, tag, file).manifests()


class Platform:
    """The services of a Compose file as Kubernetes sees them."""

    def __init__(self, variables: Mapping[str, str], images: str, tag: str, file: Path) -> None:
        self.images, self.tag = images, tag
        self.external = External.of(variables)
        # Every secret stands for itself, until it becomes a reference.
        hidden = {name: f"secret:{name}" for name in SECRETS}
        given = {**variables, **CONTAINED, **self.external.variables(), **hidden}
        self.variables = {**given, "PUBLISH": ""}
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
        self.services: dict[str, Tree] = interpolate(tree["services"], self.variables)

    def manifests(self) -> list[Tree]:
        """Everything that is made."""
        made = [self.claim(name) for name in ("cache", "backups")]
        for name in STATEFUL:
            if name not in self.external.replaced:
                made += [self.service(name), self.stateful(name)]
        made += [self.service("mlflow"), self.deployment("mlflow", ["migrate"])]
        made += [self.service("sync"), self.deployment("sync", [])]
        made += [self.cron("backup"), self.job("restore"), self.wall()]
        return [*made, *self.ingress()]

    # ------------------------------------------------------------ what runs

    def stateful(self, name: str) -> Tree:
        """A server with a volume of its own."""
        spec = {
            "serviceName": name,
            "replicas": 1,
            "selector": {"matchLabels": labels(name)},
            "template": self.template(name, []),
            "volumeClaimTemplates": [self.claim(name)],
        }
        return {"apiVersion": "apps/v1", "kind": "StatefulSet", **meta(name), "spec": spec}

    def deployment(self, name: str, before: list[str]) -> Tree:
        """A server without one; ``before`` run to their end first."""
        spec = {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels(name)},
            "template": self.template(name, before),
        }
        return {"apiVersion": "apps/v1", "kind": "Deployment", **meta(name), "spec": spec}

    def cron(self, name: str) -> Tree:
        """A tool, every night."""
        spec = {
            "schedule": SCHEDULE,
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": self.job(name)["spec"]},
        }
        return {"apiVersion": "batch/v1", "kind": "CronJob", **meta(name), "spec": spec}

    def job(self, name: str) -> Tree:
        """A tool, when somebody sets ``suspend`` to false."""
        template = self.template(name, [])
        template["spec"]["restartPolicy"] = "Never"
        spec: Tree = {"backoffLimit": 0, "template": template}
        if name != "backup":
            spec["suspend"] = True
        return {"apiVersion": "batch/v1", "kind": "Job", **meta(name), "spec": spec}

    def template(self, name: str, before: list[str]) -> Tree:
        """A pod."""
        service = self.services[name]
        user = IMAGE_USERS[self.kind(service)]
        security = {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": user, "fsGroup": user}
        spec: Tree = {
            "automountServiceAccountToken": False,
            "securityContext": {**security, "seccompProfile": {"type": "RuntimeDefault"}},
            "terminationGracePeriodSeconds": seconds(service.get("stop_grace_period", "30s")),
            "containers": [self.container(name)],
            "volumes": self.volumes(service),
        }
        if before:
            spec["initContainers"] = [self.container(each) for each in before]
        return {"metadata": {"labels": labels(name)}, "spec": spec}

    def container(self, name: str) -> Tree:
        """One container: the image, words, variables and health check of the Compose file."""
        service = self.services[name]
        made: Tree = {
            "name": name,
            "image": self.image(service),
            "args" if name == "postgres" else "command": [str(w) for w in service["command"]],
            "env": [variable(key, str(value)) for key, value in service["environment"].items()],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": self.mounts(service),
        }
        if "healthcheck" in service:
            made |= probes(service["healthcheck"])
        if name in PORTS:
            made["ports"] = [{"name": name, "containerPort": self.port(name)}]
        return made

    # ------------------------------------------------------------ how it is found, where it lies

    def service(self, name: str) -> Tree:
        """The name by which others find a server, and one with a volume itself."""
        port = {"name": name, "port": self.port(name), "targetPort": name}
        spec: Tree = {"selector": labels(name), "ports": [port]}
        if name in STATEFUL:
            spec |= {"clusterIP": "None", "publishNotReadyAddresses": True}
        return {"apiVersion": "v1", "kind": "Service", **meta(name), "spec": spec}

    def claim(self, name: str) -> Tree:
        """A volume."""
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": SIZES[name]}},
        }
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **meta(name), "spec": spec}

    def ingress(self) -> list[Tree]:
        """Where members come in: the host of ``URL``, with the certificate of a Secret."""
        url = self.variables.get("URL", "")
        if not url:
            return []
        host = url.partition("://")[2].partition(":")[0]
        backend = {"service": {"name": "mlflow", "port": {"name": "mlflow"}}}
        path = {"path": "/", "pathType": "Prefix", "backend": backend}
        head = meta("mlflow")
        head["metadata"]["annotations"] = {"nginx.ingress.kubernetes.io/proxy-body-size": "4g"}
        spec: Tree = {"rules": [{"host": host, "http": {"paths": [path]}}]}
        if url.startswith("https://"):
            spec["tls"] = [{"hosts": [host], "secretName": f"{NAME}-tls"}]
        return [{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", **head, "spec": spec}]

    def wall(self) -> Tree:
        """Data are for the platform's own pods; the server alone is for everybody."""
        own = {"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": NAME}}}
        guarded = {"key": "app.kubernetes.io/name", "operator": "NotIn", "values": ["mlflow"]}
        selector = {**own["podSelector"], "matchExpressions": [guarded]}
        spec = {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": [{"from": [own]}]}
        head = meta("data")
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            **head,
            "spec": spec,
        }

    def volumes(self, service: Tree) -> list[Tree]:
        """Those of a pod, without the one that a stateful server claims itself."""
        made: list[Tree] = []
        if "shm_size" in service:
            shared = {"medium": "Memory", "sizeLimit": service["shm_size"].upper() + "i"}
            made.append({"name": "shm", "emptyDir": shared})
        for name, _ in mounted(service):
            if name in ("cache", "backups"):
                made.append({"name": name, "persistentVolumeClaim": {"claimName": name}})
            elif name == "records":
                made.append({"name": name, "emptyDir": {}})
        return made

    def mounts(self, service: Tree) -> list[Tree]:
        """Where volumes are seen."""
        made = [{"name": "shm", "mountPath": "/dev/shm"}] if "shm_size" in service else []
        return made + [{"name": name, "mountPath": path} for name, path in mounted(service)]

    # ------------------------------------------------------------ names

    def port(self, name: str) -> int:
        """The port of a server."""
        variable, default = PORTS[name]
        return int(self.variables.get(variable) or default)

    def kind(self, service: Tree) -> str:
        """Our image's name, or "postgres"."""
        image = str(service["image"])
        return image if image.startswith(NAME) else "postgres"

    def image(self, service: Tree) -> str:
        """An image with its registry and tag."""
        image = str(service["image"])
        return f"{self.images}{image}:{self.tag}" if image.startswith(NAME) else image


def mounted(service: Tree) -> list[tuple[str, str]]:
    """Volume and folder of each mount; folders of a host have names of their own."""
    found = []
    for words in service.get("volumes", []):
        source, target, *_ = words.split(":")
        name = "backups" if target == "/backups" else source
        found.append(("records" if "/" in name or name == "ptbxl" else name, target))
    return found


def variable(key: str, value: str) -> Tree:
    """A variable of a container, or the reference to a secret."""
    kind, _, secret = value.partition(":")
    if kind != "secret":
        return {"name": key, "value": value}
    return {"name": key, "valueFrom": {"secretKeyRef": {"name": NAME, "key": secret}}}


def probes(health: Tree) -> Tree:
    """A Compose health check; before the first success it is asked more patiently."""
    kind, *command = health["test"]
    if kind != "CMD":
        raise ConfigError(f"a health check must be a CMD, but is {kind!r}")
    probe = {
        "exec": {"command": [str(word) for word in command]},
        "periodSeconds": max(5, seconds(health["interval"])),
        "timeoutSeconds": seconds(health["timeout"]),
    }
    return {"startupProbe": {**probe, "failureThreshold": 60}, "readinessProbe": probe}


def seconds(word: str) -> int:
    """``60s`` as 60."""
    return int(word.removesuffix("s"))


def labels(name: str) -> dict[str, str]:
    """What a server's pods are found by."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": NAME}


def meta(name: str) -> Tree:
    """Name and labels."""
    return {"metadata": {"name": name, "labels": labels(name)}}


if __name__ == "__main__":
    raise SystemExit(run_entry(main))
