"""The forms that can be read, in the order in which they are tried on a file: the most certain first."""

from __future__ import annotations

from sendright.impl.recordings.bsm.praudit_text import PrauditText
from sendright.impl.recordings.bsm.praudit_xml import PrauditXml
from sendright.impl.recordings.bsm.trail import BsmTrail
from sendright.impl.recordings.endpoint_security.reader import EndpointSecurity
from sendright.impl.recordings.form import Form
from sendright.impl.recordings.jamf import Jamf
from sendright.impl.recordings.lsmp.json_listing import LsmpJson
from sendright.impl.recordings.lsmp.text_listing import LsmpText
from sendright.impl.recordings.santa.protobuf_json import SantaJson
from sendright.impl.recordings.santa.text_log import SantaLog
from sendright.impl.recordings.traces import Traces

OWN_FORMS: tuple[Form, ...] = (
    Traces(),
    EndpointSecurity(),
    Jamf(),
    SantaJson(),
    LsmpJson(),
    SantaLog(),
    LsmpText(),
    PrauditXml(),
    PrauditText(),
    BsmTrail(),
)
"""Those that come with sendright."""

FORMS: list[Form] = list(OWN_FORMS)
"""All forms; those that plugins add come last."""
