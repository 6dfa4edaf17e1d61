"""Settings: read once, checked whole, frozen; every fault is reported at once and no secret is ever shown.

A TOML file is overridden by `GOEN_SECTION__KEY`, or by `GOEN_SECTION__KEY_FILE`, which names a file that
holds the value.
Relative paths, wherever they are written, start at the directory of the settings file;
without a settings file they start at the working directory.

pydantic-settings is not used: it costs every start 30 ms more than pydantic, ignores unknown variables and
missing files, has no `_FILE` and prints the values it refuses.
"""

from gateway.settings.doors import ListenerSettings
from gateway.settings.faults import Fault, SettingsInvalid
from gateway.settings.metrics import MetricsSettings
from gateway.settings.next_hop import NextHopSettings
from gateway.settings.relay import RelaySettings
from gateway.settings.sections import (
    ConsentSettings,
    DkimKey,
    DkimSettings,
    JournalSettings,
    OrganisationSettings,
    Settings,
    StoreSettings,
    WebSettings,
)
from gateway.settings.sources import DEFAULT_FILE, FILE_VARIABLE, find, load
from gateway.settings.values import Endpoint, Network

__all__ = [
    "DEFAULT_FILE",
    "FILE_VARIABLE",
    "ConsentSettings",
    "DkimKey",
    "DkimSettings",
    "Endpoint",
    "Fault",
    "JournalSettings",
    "ListenerSettings",
    "MetricsSettings",
    "Network",
    "NextHopSettings",
    "OrganisationSettings",
    "RelaySettings",
    "Settings",
    "SettingsInvalid",
    "StoreSettings",
    "WebSettings",
    "find",
    "load",
]
