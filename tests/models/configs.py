"""The published shapes of the models, written out once for the tests."""

from heart_reader.models import (
    Architecture,
    FusionConfig,
    FusionModel,
    InceptionConfig,
    ModelConfig,
    S4Config,
    SEResNetConfig,
    XResNetConfig,
    build_model,
)

INCEPTION = InceptionConfig(
    depth=6,
    residual_every=3,
    kernel_sizes=(39, 19, 9),
    bottleneck_channels=32,
    branch_channels=32,
    se_reduction=16,
)
XRESNET = XResNetConfig(
    stem_channels=(32, 32, 64),
    stem_kernel_size=5,
    kernel_size=5,
    stage_widths=(64, 64, 64, 64),
)
SE_RESNET = SEResNetConfig(
    width=128,
    stem_kernel_size=7,
    kernel_sizes=(5, 3),
    stage_depths=(1, 1, 1),
    se_reduction=16,
)
S4 = S4Config(width=64, depth=4, state_size=8, dropout=0.2)
FUSION = FusionConfig(
    embedding_size=256,
    feature_sizes=(256, 128, 64),
    feature_mlp_dropout=0.2,
    head_size=128,
    head_dropout=0.2,
)


N_CLASSES, N_LEADS = 5, 12


def model_config(backbone: str) -> Architecture:
    """The published shape of one backbone."""
    config = ModelConfig(
        backbone=backbone,
        inception1d=INCEPTION,
        xresnet1d=XRESNET,
        se_resnet1d=SE_RESNET,
        s4=S4,
        fusion=FUSION,
    )
    return config.architecture


def published(backbone: str, n_features: int) -> FusionModel:
    """A fresh model of that shape, for 12 leads and five classes."""
    return build_model(model_config(backbone), n_features, N_CLASSES, N_LEADS)
