"""The roles of the platform's users, beside MLflow's admins."""

WORKSPACE = "default"  # the one that MLflow has where workspaces aren't enabled
# A member who may also say which version is champion: `server/platform_hooks.py` sees to that.
PROMOTER = "promoter"
# What a role may do with each experiment and model. Runs and versions follow from these.
ROLES = {PROMOTER: "EDIT", "member": "EDIT", "reader": "READ"}
KINDS = ("experiment", "registered_model")
