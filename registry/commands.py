"""The commands of this package."""

from pathlib import Path

from heart_reader.cli.command import Command
from heart_reader.project import CONFIG_DEFAULTS, EDGE_DEFAULTS

DEFAULTS = Path(__file__).parent / "defaults.yaml"

COMMANDS = {
    "main": Command("registry.main", (CONFIG_DEFAULTS, DEFAULTS)),
    "promote": Command("registry.gate.promote", (DEFAULTS,)),
    "ensemble": Command("registry.ensemble.make", (DEFAULTS,)),
    "export": Command("registry.export", (EDGE_DEFAULTS, CONFIG_DEFAULTS)),
    "thresholds": Command("registry.thresholds"),
    "calibrate": Command("registry.trust.calibrate", (CONFIG_DEFAULTS,)),
    "audit": Command("registry.trust.audit"),
    "compare": Command("registry.compare.make", (DEFAULTS,)),
    "monitor": Command("registry.watch.monitor", (DEFAULTS,)),
    "sync": Command("registry.sync.syncer", (DEFAULTS,)),
    "webhook": Command("registry.sync.webhook", (DEFAULTS,)),
    "models": Command("registry.gate.reserve"),
    "card": Command("registry.model_card"),
    "import": Command("registry.pretrained.import_bundle"),
    "pretrained": Command("registry.pretrained.all", (DEFAULTS,)),
    "make-pretrained": Command("registry.pretrained.make"),
    "doctor": Command("registry.doctor.examine"),
    "migrate": Command("registry.migrate.move"),
}
