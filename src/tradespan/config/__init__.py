"""Settings: code > environment > file > default, into immutable values that know their origins.

`load_config` decides for this process; `resolve_config` does the same from what it is given.
"""

from tradespan.config.entries import Layer as Layer
from tradespan.config.model import AgentConfig as AgentConfig
from tradespan.config.model import CaptureConfig as CaptureConfig
from tradespan.config.model import Config as Config
from tradespan.config.model import Explanation as Explanation
from tradespan.config.model import LimitsConfig as LimitsConfig
from tradespan.config.model import OtlpDestination as OtlpDestination
from tradespan.config.model import OtlpGrpc as OtlpGrpc
from tradespan.config.model import OtlpHttp as OtlpHttp
from tradespan.config.model import RedactConfig as RedactConfig
from tradespan.config.model import SpoolConfig as SpoolConfig
from tradespan.config.model import UiConfig as UiConfig
from tradespan.config.quantities import format_duration as format_duration
from tradespan.config.quantities import format_size as format_size
from tradespan.config.quantities import parse_duration as parse_duration
from tradespan.config.quantities import parse_size as parse_size
from tradespan.config.resolve import load_config as load_config
from tradespan.config.resolve import override_config as override_config
from tradespan.config.resolve import resolve_config as resolve_config
from tradespan.config.rules import Condition as Condition
from tradespan.config.rules import Converted as Converted
from tradespan.config.rules import FieldSource as FieldSource
from tradespan.config.rules import FromArguments as FromArguments
from tradespan.config.rules import FromResult as FromResult
from tradespan.config.rules import FromSelf as FromSelf
from tradespan.config.rules import InstrumentRule as InstrumentRule
from tradespan.config.rules import Literal as Literal
from tradespan.config.rules import MapRule as MapRule
from tradespan.config.rules import word_of as word_of
from tradespan.config.settings import SETTINGS as SETTINGS
from tradespan.config.settings import Setting as Setting
