"""The config: YAML in, one frozen `Config` out, or every problem at once."""

from bibwatch.config.following import SavedFile
from bibwatch.config.load import find_database, load_config, with_reader
from bibwatch.config.model import Config, ReaderConfig, WebConfig

__all__ = ["Config", "SavedFile", "ReaderConfig", "WebConfig", "find_database", "load_config", "with_reader"]
