"""Somebody is told of alerts: an address gets JSON, or a command gets it on its input.

An address must be https and public, as MLflow asks it of webhooks, with MLflow's own variables for
exceptions (``MLFLOW_WEBHOOK_ALLOWED_SCHEMES``, ``MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS``); no redirect
is followed. A command is split as a shell would split it, and run without one.
"""

import base64
import hashlib
import hmac
import json
import os
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any

import requests
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import _validate_webhook_url
from mlflow.webhooks.constants import (
    WEBHOOK_DELIVERY_ID_HEADER,
    WEBHOOK_SIGNATURE_HEADER,
    WEBHOOK_SIGNATURE_VERSION,
    WEBHOOK_TIMESTAMP_HEADER,
)
from mlflow.webhooks.ssrf import SSRFProtectedHTTPAdapter, SSRFProtectionError

from heart_reader.errors import ConfigError
from registry.settings import MonitorConfig

SECRET_VARIABLE = "HEART_READER_MONITOR_SECRET"
SECONDS = 30.0
NONE = "none"


def check(config: MonitorConfig) -> None:
    """Refuses who can't be told, before anything is read.

    Raises:
        ConfigError: an address that isn't allowed, or a command that can't be split.
    """
    if config.url != NONE:
        try:
            _validate_webhook_url(config.url)
        except MlflowException as error:
            raise ConfigError(f"monitor.url: {error.message}") from error
    if config.command != NONE:
        _words(config.command)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"monitor.command can't be split: {error}") from error
    if not words:
        raise ConfigError("monitor.command is empty")
    return words


def tell(config: MonitorConfig, message: Mapping[str, Any]) -> None:
    """Tells whoever is named; a failure is said on stderr, and the alert stands all the same."""
    text = json.dumps(message)
    if config.url != NONE:
        try:
            _post(config.url, text)
        except (requests.RequestException, SSRFProtectionError, MlflowException, OSError) as error:
            print(f"monitor.url wasn't told: {type(error).__name__}: {error}", file=sys.stderr)
    if config.command != NONE:
        try:
            done = subprocess.run(_words(config.command), input=text, text=True, timeout=SECONDS)
            if done.returncode:
                print(f"monitor.command ended with {done.returncode}", file=sys.stderr)
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"monitor.command wasn't told: {error}", file=sys.stderr)


def _post(url: str, text: str) -> None:
    _validate_webhook_url(url)
    number, stamp = str(uuid.uuid4()), str(int(time.time()))
    headers = {"Content-Type": "application/json", WEBHOOK_DELIVERY_ID_HEADER: number,
               WEBHOOK_TIMESTAMP_HEADER: stamp}  # fmt: skip
    secret = os.environ.get(SECRET_VARIABLE, "")
    if secret:
        signed = f"{number}.{stamp}.{text}".encode()
        digest = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest())
        headers[WEBHOOK_SIGNATURE_HEADER] = f"{WEBHOOK_SIGNATURE_VERSION},{digest.decode()}"
    with requests.Session() as session:
        session.trust_env = False  # a proxy would stand where the address is checked
        for scheme in ("http://", "https://"):
            session.mount(scheme, SSRFProtectedHTTPAdapter())
        answer = session.post(
            url, text.encode(), headers=headers, timeout=SECONDS, allow_redirects=False
        )
    if not answer.ok or answer.is_redirect:
        raise requests.HTTPError(f"it answered {answer.status_code}")
