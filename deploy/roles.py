"""The roles of the platform's users, beside MLflow's admins."""

WORKSPACE = "default"  # the one that MLflow has where workspaces aren't enabled
# A member who may also say which version is champion: `server/platform_hooks.py` sees to that.
PROMOTER = "promoter"
# What a role may do with each experiment and model. Runs and versions follow from these.
ROLES = {PROMOTER: "EDIT", "member": "EDIT", "reader": "READ"}
# Names of models that `sync` looks at: promoters and admins make them.
RESERVED = "heart-reader-"
# Those of the default task, which the platform makes: members register versions from the start.
BACKBONES = (
    *("inception1d", "xresnet1d18", "xresnet1d34", "xresnet1d50", "xresnet1d101", "xresnet1d152"),
    *("se_resnet1d", "s4"),
)
MODELS = tuple(RESERVED + kind for kind in (*BACKBONES, "ensemble", "edge"))
KINDS = ("experiment", "registered_model")
