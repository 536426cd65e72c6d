"""The roles of the platform's users, beside MLflow's admins."""

WORKSPACE = "default"  # the one that MLflow has where workspaces aren't enabled
# What a role may do with each experiment and model. Runs and versions follow from these.
ROLES = {"member": "EDIT", "reader": "READ"}
KINDS = ("experiment", "registered_model")
