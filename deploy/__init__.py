"""The platform for a team: its servers, their data, and who may use them."""
