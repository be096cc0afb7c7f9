"""Messages: the token that comes with a message identifies its sender, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator

from sendright.mach.results.audits import Severity
from sendright.properties.audit.rules.rule import WORDS, Suspect, evidence, id_words, rows, rule, token_of, unless_ambiguous
from sendright.properties.audit.store import Store


@rule("message-token", (31,), "a message carries its sender's token", needs=("message",))
def message_token(store: Store) -> Iterator[Suspect]:
    """The sender token that a receiver or request handler sees is the token of the task that sent the message."""
    yield from _of_another(store)
    yield from _on_the_way(store)


def _of_another(store: Store) -> Iterator[Suspect]:
    """A record names a sender and a token of different processes. (A sender with a new image is still the same
    process.)"""
    question = f"""
        SELECT *, {" OR ".join(f"differs(s_{word}, k_{word})" for word in WORDS)} AS other_ids FROM message
        WHERE has_sender = 1 AND has_token = 1 AND (differs(s_token_pid, k_pid) OR (s_ver < 0 AND other_ids)) ORDER BY n
    """
    for row in rows(store, question):
        sender, other = row.who("s_"), row.who("k_")
        what = f" ({row.what})" if row.what else ""
        taken = "the token in its trailer is" if row.action == "received" else "the token that it used for the sender is"
        yield Suspect(
            severity=unless_ambiguous(row.s_amb, Severity.ERROR),
            world=row.world,
            time=row.time,
            words=f"{row.who('m_')} {row.action} a message{what} from {sender}, but {taken} {_token_words(row)}",
            evidence=(evidence(store, row.file, row.place, f"sender {sender}, token of pid {id_words(row.k_pid)}"),),
            tasks=(sender, row.who("m_")),
            step=(sender, row.who("m_")),
            how=f"sent it a message{what}, which it attributed to {other}",
            token=token_of(row, "m_"),
        )


def _on_the_way(store: Store) -> Iterator[Suspect]:
    """A message had different tokens when it was sent and when it was received. Its serial identifies it."""
    differ = " OR ".join(f"differs(sent.k_{word}, got.k_{word})" for word in ("pid", "ver", *WORDS))
    columns = ", ".join(f"sent.k_{word} AS w_{word}, got.k_{word} AS k_{word}" for word in ("pid", "ver", *WORDS))
    question = f"""
        SELECT got.n, got.world, got.file, got.place, got.tm, sent.file AS w_file, sent.place AS w_place, sent.m_pid AS pid, sent.m_ver AS ver,
            got.m_pid, got.m_ver, got.m_auid, got.m_euid, got.m_egid, got.m_ruid, got.m_rgid, got.m_asid, got.serial, got.action, {columns}
        FROM message got JOIN message sent ON got.world = sent.world AND got.file = sent.file AND got.serial = sent.serial
        WHERE sent.action = 'sent' AND got.action <> 'sent' AND got.serial >= 0 AND sent.has_token = 1 AND got.has_token = 1 AND ({differ})
        ORDER BY got.n
    """
    for row in rows(store, question):
        sender, receiver = row.who(), row.who("m_")
        yield Suspect(
            severity=Severity.ERROR,
            world=row.world,
            time=row.time,
            words=f"{sender} sent message {row.serial}, and when {receiver} {row.action} it, it had another token: {_token_words(row)}",
            evidence=(
                evidence(store, row.w_file, row.w_place, f"sent by {sender}"),
                evidence(store, row.file, row.place, f"{row.action} with {_token_words(row)}"),
            ),
            tasks=(sender, receiver),
            step=(sender, receiver),
            how=f"sent it message {row.serial}, which came with another token",
            token=token_of(row, "m_"),
        )


def _token_words(row: object) -> str:
    get = row.get  # type: ignore[attr-defined]
    ids = ", ".join(f"{word} {id_words(get('k_' + word))}" for word in ("euid", "ruid") if get("k_" + word) >= 0)
    version = f", version {get('k_ver')}" if get("k_ver") >= 0 else ""
    return f"that of pid {id_words(get('k_pid'))}{version}" + (f" ({ids})" if ids else "")
