"""What the commands share: options, and the way errors end them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bibwatch.config import Config, load_config
from bibwatch.errors import BibwatchError, ConfigError, CouldNotStart, EngineUnavailable, ExtraMissing
from bibwatch.store.schema import database_faults
from bibwatch.values import count_of

BAD_CONFIG, COULD_NOT_START = 2, 3
STANDARD_CONFIG = Path("config.yaml")

DEVICES = "auto|cpu|cuda|cuda:N"
device_option = click.option("--device", metavar=DEVICES, default="auto", show_default=True, help="Where to compute.")
force_option = click.option("--force", is_flag=True, help="Write over what is there already.")
as_json = click.option("--json", "json_wanted", is_flag=True, help="One JSON object on the last line, for scripts.")


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option -c, which says where its config is."""
    return click.option(
        "-c",
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        default=STANDARD_CONFIG,
        show_default=True,
        help="The config file.",
    )(command)


def reader_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --engine and --device, which win over the config."""
    engines = click.Choice(["auto", "ppocr", "dossard"])
    engine = click.option("--engine", type=engines, help="The engine to read with, whatever a config says.")
    device = click.option("--device", metavar=f"{DEVICES}[,N...]", help="Where to compute, whatever a config says.")
    return engine(device(command))


def config_or_defaults(path: Path, *, need_engine: bool) -> Config:
    """The config, or the defaults where the standard file is not there."""
    if path == STANDARD_CONFIG and not path.exists():
        return defaults()
    return load_config(path, need_folders=False, need_engine=need_engine)


def defaults() -> Config:
    """A config of nothing but defaults."""
    return Config.model_validate({"watch": [{"path": "."}], "targets": "all"})


class Commands(click.Group):
    """The group, which turns bibwatch's own errors into a message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with database_faults():
                return super().invoke(ctx)
        except ConfigError as error:
            click.echo(f"bibwatch: the config has {count_of(len(error.problems), 'problem')}:\n{error}", err=True)
            ctx.exit(BAD_CONFIG)
        except ExtraMissing as error:
            click.echo(f"bibwatch: {error}", err=True)
            ctx.exit(BAD_CONFIG)
        except (CouldNotStart, EngineUnavailable) as error:
            click.echo(f"bibwatch: {error}", err=True)
            ctx.exit(COULD_NOT_START)
        except BibwatchError as error:
            click.echo(f"bibwatch: {error}", err=True)
            ctx.exit(1)
