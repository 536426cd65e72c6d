"""What a user asks of a configuration, kept until it is known which bundle it is for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heart_reader.config.load import SHORT_NAMES, Config, load_config
from heart_reader.config.strict import flatten
from heart_reader.data.labelled import task_name

AUTO = "auto"
DEMO = "demo"
# What MLproject passes where nobody said.
NOT_SAID = (("data.root", AUTO), ("task.name", AUTO))


@dataclass(frozen=True)
class ConfigRequest:
    """An overlay, and what is changed in it.

    Attributes:
        overlay: a name, the path of a YAML file, or "auto" where nobody said.
        changes: values as typed by their full dotted keys; "auto" for data or task isn't.
    """

    overlay: str
    changes: Mapping[str, str]

    @property
    def names_data(self) -> bool:
        """Whether the user said which data; who names data means them."""
        return "data.root" in self.changes

    @property
    def training_overlay(self) -> str:
        """The overlay of what starts without a bundle: "auto" means demo for demo data."""
        if self.overlay != AUTO:
            return self.overlay
        return DEMO if self.changes.get("data.root", DEMO) == DEMO else "default"

    def for_training(self, changes: Mapping[str, str] | None = None) -> Config:
        """The configuration of what starts without a bundle.

        Args:
            changes: further ones, by their full keys.

        Raises:
            ConfigError: every unknown key and illegal value, together.
        """
        return load_config(self.training_overlay, {**self.changes, **(changes or {})})

    def for_bundle(self, provenance: Mapping[str, Any], own: str = "default") -> Config:
        """The configuration that reads what a bundle was made from, unless data are named.

        Args:
            provenance: of the bundle; ``data``, ``task`` and ``signal`` in it are its maker's;
                before there were several, none was remembered.
            own: the overlay that "auto" stands for.

        Raises:
            ConfigError: every unknown key and illegal value, together.
        """
        made_from = flatten(
            {part: provenance.get(part, {}) for part in ("data", "task", "signal")}
        )
        return load_config(
            own if self.overlay == AUTO else self.overlay, {**made_from, **self.changes}
        )

    @property
    def task(self) -> str:
        """By which the registry knows the task that is asked for: a file's or a manifest's own
        name, and the default one's where nobody asked.

        Raises:
            ConfigError: every unknown key and illegal value, together; a task file that can't be
                read.
        """
        config = self.for_bundle({})
        return task_name(config.data.root, config.task)

    def check(self) -> None:
        """Refuses a wrong key or value before any run is opened.

        Raises:
            ConfigError: every unknown key and illegal value, together.
        """
        self.for_bundle({})


def config_request(options: Mapping[str, str]) -> ConfigRequest:
    """The words of a command line that are left when an entry point has taken its own.

    >>> config_request({"config": "demo", "data": "auto", "backbone": "xresnet1d50"})
    ConfigRequest(overlay='demo', changes={'model.backbone': 'xresnet1d50'})
    """
    full = {SHORT_NAMES.get(key, key): value for key, value in options.items()}
    overlay = full.pop("config", AUTO)
    full = {key: value for key, value in full.items() if (key, value) not in NOT_SAID}
    return ConfigRequest(overlay, full)
