"""Programs that are frequent in logs, and their special properties."""

from __future__ import annotations

import msgspec

PLAIN = 0o100755
SET_UID = 0o104755
SET_GID = 0o102755


class Program(msgspec.Struct, frozen=True):
    """A file that a process can execute."""

    path: str
    mode: int = PLAIN
    owner: tuple[int, int] = (0, 0)
    platform: bool = True
    """Whether the recorder reports it as part of the system."""


_PATHS = ("/bin/ls", "/bin/cat", "/usr/bin/grep", "/usr/bin/git", "/usr/bin/sed", "/bin/bash", "/usr/bin/xcrun", "/usr/bin/env")
TOOLS = (
    *(Program(path) for path in _PATHS),
    Program("/opt/homebrew/bin/node", owner=(501, 80), platform=False),
    Program("/Users/anna/bin/build “all”", owner=(501, 20), platform=False),
)
SHELL = Program("/bin/zsh")
AGENTS = (Program("/usr/libexec/trustd"), Program("/usr/sbin/cfprefsd"), Program("/System/Library/CoreServices/Dock.app/Contents/MacOS/Dock"))
DAEMONS = (Program("/usr/sbin/cupsd"), Program("/usr/sbin/mDNSResponder"), Program("/usr/libexec/opendirectoryd"))
SUDO = Program("/usr/bin/sudo", SET_UID)
WRITE = Program("/usr/bin/write", SET_GID, (0, 4))
SYSMOND = Program("/usr/libexec/sysmond")
WINDOW_SERVER = Program("/System/Library/PrivateFrameworks/SkyLight.framework/Resources/WindowServer")
DEBUGGER = Program("/Library/Developer/CommandLineTools/usr/bin/debugserver", platform=False)
FILES = ("/private/var/db/dyld/cache", "/Users/anna/Documents/notes.txt", "/private/tmp/a", "/Library/Preferences/com.apple.plist", "/dev/null")
