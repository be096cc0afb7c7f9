"""The forms that can be read, in the order in which they are tried on a file: the most certain first."""

from __future__ import annotations

from sendright.impl.recordings.bsm_trail import BsmTrail
from sendright.impl.recordings.endpoint_security import EndpointSecurity
from sendright.impl.recordings.form import Form
from sendright.impl.recordings.jamf import Jamf
from sendright.impl.recordings.lsmp_json import LsmpJson
from sendright.impl.recordings.lsmp_text import LsmpText
from sendright.impl.recordings.praudit_text import PrauditText
from sendright.impl.recordings.praudit_xml import PrauditXml
from sendright.impl.recordings.santa_json import SantaJson
from sendright.impl.recordings.santa_log import SantaLog
from sendright.impl.recordings.traces import Traces

FORMS: tuple[Form, ...] = (
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
