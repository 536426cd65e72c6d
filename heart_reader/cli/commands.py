"""The commands of this package; of a training, ``tuning`` has the one that can search first."""

from heart_reader.cli.command import Command
from heart_reader.project import CONFIG_DEFAULTS
from heart_reader.reading.options import predict_parser, serve_parser

COMMANDS = {
    "predict": Command("heart_reader.predict", parser=predict_parser),
    "serve": Command("heart_reader.serve", parser=serve_parser),
    "prepare": Command("heart_reader.prepare", (CONFIG_DEFAULTS,)),
    "evaluate": Command("heart_reader.evaluate", (CONFIG_DEFAULTS,)),
}
