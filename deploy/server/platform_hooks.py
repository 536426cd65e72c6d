"""What the platform's MLflow server does otherwise than MLflow does by itself."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from deploy.roles import PROMOTER, RESERVED

HANDLERS = "mlflow.server.handlers"
# With these, clients are sent to the store itself, which no client can reach.
STORE_ITSELF = ("MultipartDownloadMixin", "MultipartUploadMixin", "PresignedUploadMixin")
AUTH = "mlflow.server.auth"
CHAMPIONS = ("champion", "previous")  # the aliases that it follows, and goes back to
HOSTS = "MLFLOW_SERVER_ALLOWED_HOSTS"  # set by `mlflow server` for its workers


class _Nothing:
    """No artifact store is an instance of it."""


def keep_artifacts_inside() -> None:
    """Artifacts go through the server, whatever its store could do besides.

    MLflow 3.17 hands out presigned addresses of an S3 store, on the network that it sees.
    """
    after_import(HANDLERS, _without_the_store_itself)


def _without_the_store_itself(handlers: ModuleType) -> None:
    for name in STORE_ITSELF:
        if not hasattr(handlers, name):
            raise ImportError(f"{HANDLERS} has no {name}: deploy/server is for another MLflow")
        setattr(handlers, name, _Nothing)


def reserve_names() -> None:
    """Models of our names are made by promoters and admins.

    MLflow lets every user make models and own them; `sync` would take such a one for the team's.
    Who asks for one that is there, and may change it, is told by MLflow that it is there.
    """
    after_import(AUTH, _with_reserved_names)


def _with_reserved_names(auth: ModuleType) -> None:
    def named(before: Callable[[], bool], message: type, field: str) -> Callable[[], bool]:
        def may() -> bool:
            name = getattr(auth._get_request_message(message()), field)
            ours = name.startswith(RESERVED)
            return before() and (not ours or _is_promoter(auth) or _may_change(auth, name))

        return may

    create, rename = auth.validate_can_create_registered_model, auth.RenameRegisteredModel
    for route, validator in auth.BEFORE_REQUEST_VALIDATORS.items():
        if validator is create:
            changed = named(validator, auth.CreateRegisteredModel, "name")
        elif validator is auth.BEFORE_REQUEST_HANDLERS[rename] and "rename" in route[0]:
            changed = named(validator, rename, "new_name")
        else:
            continue
        auth.BEFORE_REQUEST_VALIDATORS[route] = changed


def _may_change(auth: ModuleType, name: str) -> bool:
    """A model that is there."""
    from mlflow.exceptions import MlflowException  # not in every process

    try:
        auth._get_model_registry_store().get_registered_model(name)
    except MlflowException:
        return False
    return bool(auth._get_registered_model_permission(name).can_update)


def guard_champions() -> None:
    """Which version of our models is champion is said by promoters and admins.

    That is: who sets or drops these aliases, who deletes a version that has one, and who deletes
    or renames the model. MLflow leaves it to all who may change, or own, the model.
    """
    after_import(AUTH, _with_guarded_champions)


def _with_guarded_champions(auth: ModuleType) -> None:
    aliased = (auth.SetRegisteredModelAlias, auth.DeleteRegisteredModelAlias)
    whole = (auth.DeleteRegisteredModel, auth.RenameRegisteredModel)
    validators = auth.BEFORE_REQUEST_VALIDATORS
    tests: dict[type, Callable[[Any], bool]] = {
        **dict.fromkeys(aliased, lambda asked: asked.alias.lower() in CHAMPIONS),
        **dict.fromkeys(whole, lambda asked: True),
        auth.DeleteModelVersion: lambda asked: _is_champion(auth, asked),
    }

    def guarded(before: Callable[[], bool], message: type) -> Callable[[], bool]:
        def may() -> bool:
            asked = auth._get_request_message(message())
            ours = asked.name.startswith(RESERVED) and tests[message](asked)
            return before() and (not ours or _is_promoter(auth))

        return may

    routes = {
        (path, method): message
        for path, message, methods in auth.get_endpoints(lambda message: message)
        if message in tests
        for method in methods
    }
    if set(routes.values()) != set(tests) or not routes.keys() <= validators.keys():
        raise ImportError(f"{AUTH} has other routes: deploy/server is for another MLflow")
    for route, message in routes.items():
        validators[route] = guarded(validators[route], message)


def _is_champion(auth: ModuleType, asked: Any) -> bool:
    store = auth._get_model_registry_store()
    return bool(set(CHAMPIONS) & set(store.get_model_version(asked.name, asked.version).aliases))


def _is_promoter(auth: ModuleType) -> bool:
    user = auth.store.get_user(auth.authenticate_request().username)
    return any(role.name == PROMOTER for role in auth.store.list_user_roles(user.id))


def bound_bodies() -> None:
    """Bodies of more than a megabyte are read from users alone."""
    after_import(AUTH, _with_bound_bodies)


def _with_bound_bodies(auth: ModuleType) -> None:
    from deploy.server.large_bodies import LargeBodies  # with Starlette: not in every process

    create, knows = auth.create_app, auth._authenticate_fastapi_request
    vars(auth)["create_app"] = lambda *words: LargeBodies(create(*words), knows)


def allow_own_address() -> None:
    """The name in ``PLATFORM_URL``, which members go to, is among those that MLflow answers to."""
    host = urlsplit(os.environ.get("PLATFORM_URL", "")).netloc
    known = os.environ.get(HOSTS, "").split(",")
    if host and known != [""] and host not in known:
        os.environ[HOSTS] = ",".join([*known, host])


def after_import(name: str, change: Callable[[ModuleType], None]) -> None:
    """Has a module changed as soon as somebody has imported it."""
    if name in sys.modules:
        change(sys.modules[name])
    else:
        sys.meta_path.insert(0, _Finder(name, change))


class _Finder(MetaPathFinder):
    """Finds one module, once, as everybody else would, with a loader that changes it."""

    def __init__(self, name: str, change: Callable[[ModuleType], None]) -> None:
        self.name = name
        self.change = change

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of our module, ``None`` for others."""
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self.change)
        return spec


class _Loader(Loader):
    """Another loader's module, changed once it is whole."""

    def __init__(self, inner: Loader, change: Callable[[ModuleType], None]) -> None:
        self.inner = inner
        self.change = change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the other does."""
        return self.inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the other does, and then the change."""
        self.inner.exec_module(module)
        self.change(module)
