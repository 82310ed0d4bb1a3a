"""The config: YAML in, one frozen `Config` out, or every problem at once."""

from bibwatch.config.following import ConfigFile
from bibwatch.config.load import find_database, load_config
from bibwatch.config.model import Config

__all__ = ["Config", "ConfigFile", "find_database", "load_config"]
