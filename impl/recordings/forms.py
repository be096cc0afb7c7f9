"""The forms that there are readers for, in the order in which they are tried on a file: the surest first."""

from __future__ import annotations

from sendright.impl.recordings.endpoint_security import EndpointSecurity
from sendright.impl.recordings.form import Form

FORMS: tuple[Form, ...] = (EndpointSecurity(),)
