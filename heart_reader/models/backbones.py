"""The backbones there are. A new one is a file beside this one, and a line in `BACKBONES`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from heart_reader.errors import ConfigError, did_you_mean
from heart_reader.models.blocks import Backbone
from heart_reader.models.inception1d import InceptionConfig, inception1d
from heart_reader.models.s4 import S4Config, s4
from heart_reader.models.se_resnet1d import SEResNetConfig, se_resnet1d
from heart_reader.models.xresnet1d import (
    XResNetConfig,
    xresnet1d18,
    xresnet1d34,
    xresnet1d50,
    xresnet1d101,
    xresnet1d152,
)


@dataclass(frozen=True)
class BackboneKind:
    """What is known of a backbone before it is built.

    Attributes:
        family: the section of the configuration's ``model`` that shapes it; variants share one.
        shape: the type of that section, a frozen dataclass.
        build: makes it from its shape and the number of leads.
    """

    family: str
    shape: type
    build: Callable[[Any, int], Backbone]


BACKBONES: dict[str, BackboneKind] = {
    "inception1d": BackboneKind("inception1d", InceptionConfig, inception1d),
    "xresnet1d18": BackboneKind("xresnet1d", XResNetConfig, xresnet1d18),
    "xresnet1d34": BackboneKind("xresnet1d", XResNetConfig, xresnet1d34),
    "xresnet1d50": BackboneKind("xresnet1d", XResNetConfig, xresnet1d50),
    "xresnet1d101": BackboneKind("xresnet1d", XResNetConfig, xresnet1d101),
    "xresnet1d152": BackboneKind("xresnet1d", XResNetConfig, xresnet1d152),
    "se_resnet1d": BackboneKind("se_resnet1d", SEResNetConfig, se_resnet1d),
    "s4": BackboneKind("s4", S4Config, s4),
}


def kind_of(backbone: str) -> BackboneKind:
    """The entry of a backbone.

    Raises:
        ConfigError: none of that name.
    """
    if backbone not in BACKBONES:
        raise ConfigError(unknown(backbone))
    return BACKBONES[backbone]


def unknown(backbone: str) -> str:
    """What to say of a name that isn't there."""
    hint = did_you_mean(backbone, BACKBONES) or f" (there are {', '.join(BACKBONES)})"
    return f"unknown backbone {backbone!r}{hint}"


def shape_type(backbone: str) -> type:
    """The type of a backbone's section.

    Raises:
        ConfigError: no backbone of that name.
    """
    return kind_of(backbone).shape


def family(backbone: str) -> str:
    """The section that shapes a backbone: the xresnet1d variants share one."""
    return BACKBONES[backbone].family
