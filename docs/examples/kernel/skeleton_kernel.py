"""A kernel that sendright can check, in 40 lines: one task, receive rights, port sets, dead names and send rights."""

from sendright import Call, Capabilities, NamedRight, Profile, Result, Right, SlotKind, Space, View, ViewPart
from sendright import ReturnCode as Code

MADE = {Right.RECEIVE: SlotKind.RECEIVE, Right.PORT_SET: SlotKind.PORT_SET, Right.DEAD_NAME: SlotKind.DEAD_NAME}
CALLS = frozenset({"mach_task_self", "mach_port_allocate", "mach_port_type"})


class Kernel:
    name = "skeleton"
    capabilities = Capabilities(profiles=("gnumach",), calls=CALLS, shows=frozenset({ViewPart.UREFS}), shortages=False)

    def boot(self, profile: Profile) -> None:
        self.names = dict.fromkeys(range(1, len(profile.bootstrap_names) + 1), (SlotKind.SEND, 1))
        self.most = profile.send_urefs_max
        self.own_port: int | None = None  # its name; None: the task has no right to its own port

    def snapshot(self) -> View:
        return View({0: Space({name: NamedRight(kind, urefs) for name, (kind, urefs) in self.names.items()})})

    def call(self, task: int, call: Call) -> Result:
        if call.name == "mach_task_self":  # a send right to the task's port: one more reference each time
            self.own_port = self.own_port or max(self.names, default=0) + 1
            self.names[self.own_port] = (SlotKind.SEND, min(self.names.get(self.own_port, (None, 0))[1] + 1, self.most))
            return Result(Code.KERN_SUCCESS, {"port": self.own_port})
        kind, _ = self.names.get(call.arguments["task"], (None, 0))
        if call.arguments["task"] != self.own_port:  # the request isn't sent to the task
            return Result(Code.KERN_INVALID_TASK if kind is SlotKind.SEND else Code.MACH_SEND_INVALID_DEST)
        if call.name == "mach_port_allocate":
            if call.arguments["right"] not in MADE:
                return Result(Code.KERN_INVALID_VALUE)
            name, kind = max(self.names, default=0) + 1, MADE[call.arguments["right"]]
            self.names[name] = (kind, int(kind is SlotKind.DEAD_NAME))
            return Result(Code.KERN_SUCCESS, {"name": name})
        kind, _ = self.names.get(call.arguments["name"], (None, 0))
        return Result(Code.KERN_INVALID_NAME) if kind is None else Result(Code.KERN_SUCCESS, {"type": kind.type_bits})
