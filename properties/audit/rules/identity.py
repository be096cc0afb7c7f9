"""Token integrity: a task's identity comes from its parent, and changes only in calls and images that change it."""

from __future__ import annotations

from collections.abc import Iterator

from sendright.mach.results.audits import Severity
from sendright.mach.results.facts import Token
from sendright.properties.audit.rules.rule import Row, Suspect, changes, evidence, id_words, rows, rule, token_of, unless_ambiguous
from sendright.properties.audit.store import Store

SLACK = 1_000_000
"""Microseconds by which the record of a credential call may be off: other threads run while one makes the call."""
AUDIT_CALLS = "('setaudit', 'setaudit_addr', 'setauid', 'host_security_set_task_token')"

USER_CALLS = "('setuid', 'seteuid', 'setreuid', 'setresuid', 'host_security_set_task_token')"
GROUP_CALLS = "('setgid', 'setegid', 'setregid', 'setresgid', 'host_security_set_task_token')"

_EFFECTIVE = ("euid", "egid", "ruid", "rgid")


@rule("inheritance", (30,), "a child's tokens are its parent's", needs=("birth",))
def inheritance(store: Store) -> Iterator[Suspect]:
    """A new task has its parent's tokens, except for process id and version, unless the call that created it set
    others."""
    question = """
        SELECT * FROM birth
        WHERE given = 0 AND (differs(p_auid, c_auid) OR differs(p_euid, c_euid) OR differs(p_egid, c_egid)
            OR differs(p_ruid, c_ruid) OR differs(p_rgid, c_rgid) OR differs(p_asid, c_asid))
        ORDER BY n
    """
    for row in rows(store, question):
        parent, child = row.who("p_"), row.who("c_")
        what = changes(row, "p_", "c_")
        yield Suspect(
            severity=unless_ambiguous(row.p_amb or row.c_amb, Severity.ERROR),
            world=row.world,
            time=row.time,
            words=f"{child}, created by {parent} ({row.how}), has other ids than its parent: {what}",
            evidence=(evidence(store, row.file, row.place, f"{row.how}: {what}"),),
            tasks=(parent, child),
            step=(parent, child),
            how=f"created ({row.how}), with {what}",
            token=token_of(row, "c_"),
            program=row.c_program,
        )


@rule("effective-ids", (29,), "effective ids change at a set-id image or in a credential call", needs=("sight", "image"))
def effective_ids(store: Store) -> Iterator[Suspect]:
    """A non-root task changes its user or group ids only by executing a set-id image (to the owner's ids) or in a
    recorded credential call."""
    yield from _by_image(store)
    yield from _between_records(store)


def _by_image(store: Store) -> Iterator[Suspect]:
    """Root may execute an image with any ids; every task may execute one with its real ids as effective ids."""
    question = """
        SELECT *, mode < 0 OR (mode & 2048 <> 0 AND owner < 0) OR (mode & 1024 <> 0 AND grp < 0) AS unknown FROM image
        WHERE a_pid >= 0 AND b_euid > 0 AND (
            (differs(b_euid, a_euid) AND a_euid <> b_ruid AND NOT (mode >= 0 AND mode & 2048 <> 0 AND owner IN (-1, a_euid)))
            OR (differs(b_egid, a_egid) AND a_egid <> b_rgid AND NOT (mode >= 0 AND mode & 1024 <> 0 AND grp IN (-1, a_egid)))
            OR differs(b_ruid, a_ruid) OR differs(b_rgid, a_rgid))
        ORDER BY n
    """
    for row in rows(store, question):
        before, after = row.who("b_"), row.who("a_")
        what = changes(row, "b_", "a_", _EFFECTIVE)
        image = _image_words(row)
        if row.mode < 0:
            severity, more = Severity.NOTE, "; whether the image is set-id isn't recorded"
        else:
            severity, more = unless_ambiguous(row.b_amb or row.a_amb, Severity.ERROR), ""
        yield Suspect(
            severity=severity,
            world=row.world,
            time=row.time,
            words=f"{after} got other ids with its image {row.a_program}, which is {image}: {what}{more}",
            evidence=(evidence(store, row.file, row.place, f"{row.how}: {what}; {image}"),),
            tasks=(before, after),
            step=(before, after),
            how=f"became another image, with {what}",
            token=token_of(row, "a_"),
            program=row.a_program,
        )


def _image_words(row: Row) -> str:
    if row.mode < 0:
        return "of unknown mode"
    kinds = [f"set-user-id of {id_words(row.owner)}"] if row.mode & 0o4000 else []
    kinds += [f"set-group-id of {id_words(row.grp)}"] if row.mode & 0o2000 else []
    return " and ".join(kinds) or "not set-id"


CHANGES = """
    CREATE TEMP TABLE change AS
    WITH following AS (
        SELECT *, lag({was}) OVER same AS was
        FROM (SELECT *, {{'n': n, 'later': later, 'file': file, 'place': place, 'ord': ord, 'tm': tm,
                        'auid': auid, 'euid': euid, 'egid': egid, 'ruid': ruid,
                        'rgid': rgid, 'asid': asid}} AS itself FROM sight)
        WINDOW same AS (PARTITION BY world, pid, ver ORDER BY ord, later, n)
    )
    SELECT n, world, file, place, ord, tm, pid, ver, amb, auid, euid, egid, ruid, rgid, asid, program,
        was.n AS w_n, was.later AS w_later,
        was.file AS w_file, was.place AS w_place, was.ord AS w_ord, was.tm AS w_tm, was.auid AS w_auid, was.euid AS w_euid, was.egid AS w_egid,
        was.ruid AS w_ruid, was.rgid AS w_rgid, was.asid AS w_asid
    FROM following
    WHERE was IS NOT NULL AND (differs(was.auid, auid) OR differs(was.euid, euid) OR differs(was.egid, egid) OR differs(was.ruid, ruid)
        OR differs(was.rgid, rgid))
""".format(was="itself")
"""Pairs of successive records of a task with different tokens."""


def _changes(store: Store) -> int:
    """Make the table of changes, once; returns the number of changes."""
    if "change" not in store.counts:
        store.connection.execute(CHANGES)
        store.counts["change"] = int(store.ask("SELECT count(*) FROM change")[0][0])
    return store.counts["change"]


def _between_records(store: Store) -> Iterator[Suspect]:
    """A task may return to ids that it had before: it saved them."""
    if not _changes(store):
        return
    question = f"""
        WITH low AS (
            SELECT * FROM change
            WHERE w_euid > 0 AND (differs(w_euid, euid) OR differs(w_egid, egid) OR differs(w_ruid, ruid) OR differs(w_rgid, rgid))
        ),
        had AS (
            SELECT low.n, low.pid, low.ver,
                bool_or(low.euid < 0 OR low.euid IN (before.euid, before.ruid)) AND bool_or(low.ruid < 0 OR low.ruid IN (before.euid, before.ruid))
                AND bool_or(low.egid < 0 OR low.egid IN (before.egid, before.rgid))
                AND bool_or(low.rgid < 0 OR low.rgid IN (before.egid, before.rgid)) AS all_ids
            FROM low JOIN sight before ON before.world = low.world AND before.pid = low.pid AND before.ver = low.ver
                AND (before.ord, before.later, before.n) <= (low.w_ord, low.w_later, low.w_n)
            GROUP BY ALL
        ),
        called AS (
            SELECT DISTINCT low.n, low.pid, low.ver
            FROM low JOIN call made ON made.world = low.world AND made.b_pid = low.pid AND made.b_ver = low.ver
            WHERE made.succeeded <> 0 AND (made.ord BETWEEN low.w_ord AND low.ord
                OR (low.tm >= 0 AND made.tm BETWEEN low.w_tm - {SLACK} AND low.tm + {SLACK}))
        )
        SELECT low.*, unseen_between(low.world, low.w_ord, low.ord) AS unseen,
            NOT (differs(w_euid, euid) OR differs(w_ruid, ruid))
                OR low.world IN (SELECT world FROM call WHERE call IN {USER_CALLS}) AS users_recorded,
            NOT (differs(w_egid, egid) OR differs(w_rgid, rgid))
                OR low.world IN (SELECT world FROM call WHERE call IN {GROUP_CALLS}) AS groups_recorded
        FROM low JOIN had USING (n, pid, ver) ANTI JOIN called USING (n, pid, ver)
        WHERE NOT had.all_ids ORDER BY low.n
    """
    for row in rows(store, question):
        who = row.who()
        what = changes(row, "w_", "", _EFFECTIVE)
        severity, more = unless_ambiguous(row.amb, Severity.ERROR), "no credential call by it was recorded in between"
        if row.unseen:
            severity, more = Severity.NOTE, "records are missing in between, so the cause is unknown"
        elif not store.worlds[row.world].tells_gaps:
            severity, more = Severity.NOTE, "this log doesn't show whether records are missing, so the record of the cause may be lost"
        elif not (row.users_recorded and row.groups_recorded):
            severity, more = Severity.NOTE, f"no calls that set {'group' if row.users_recorded else 'user'} ids are recorded in this log"
        yield Suspect(
            severity=severity,
            world=row.world,
            time=row.time,
            words=f"{who} has changed its ids: {what}; {more}",
            evidence=(
                evidence(store, row.w_file, row.w_place, f"before: euid {id_words(row.w_euid)}, egid {id_words(row.w_egid)}"),
                evidence(store, row.file, row.place, f"then: euid {id_words(row.euid)}, egid {id_words(row.egid)}"),
            ),
            tasks=(who,),
            step=(who, who),
            how=f"changed: {what}",
            token=token_of(row),
            program=row.program,
        )


@rule("audit-user", (29,), "an audit user id that is set doesn't change", needs=("sight", "image"))
def audit_user(store: Store) -> Iterator[Suspect]:
    """Once a task's audit user id is set it doesn't change, unless the task joins another audit session, by itself
    or with another image."""
    _changes(store)
    question = f"""
        SELECT n, world, file, place, tm, pid, ver, pid AS w_pid, ver AS w_ver, amb, auid, w_auid, asid, w_file, w_place, '' AS how, program
        FROM change
        WHERE is_set(w_auid) AND differs(w_auid, auid) AND (w_asid = asid OR asid < 0 OR w_asid < 0)
            AND NOT EXISTS (SELECT 1 FROM call WHERE call.world = change.world AND call.b_pid = change.pid AND call.b_ver = change.ver
                AND call.call IN {AUDIT_CALLS} AND call.succeeded <> 0 AND call.ord BETWEEN w_ord AND change.ord)
        UNION ALL
        SELECT n, world, file, place, tm, a_pid, a_ver, b_pid, b_ver, greatest(a_amb, b_amb), a_auid, b_auid, a_asid, file, place, how, a_program
        FROM image
        WHERE is_set(b_auid) AND differs(b_auid, a_auid) AND (b_asid = a_asid OR a_asid < 0 OR b_asid < 0)
        ORDER BY n
    """
    for row in rows(store, question):
        before, who = row.who("w_"), row.who()
        what = f"auid {id_words(row.w_auid)} → {id_words(row.auid)}"
        sessions = row.asid >= 0
        versions = store.worlds[row.world].versions
        severity = unless_ambiguous(row.amb or not sessions or not versions, Severity.ERROR)
        seen = [evidence(store, row.file, row.place, f"then: auid {id_words(row.auid)}")]
        if (row.w_file, row.w_place) != (row.file, row.place):
            seen.insert(0, evidence(store, row.w_file, row.w_place, f"before: auid {id_words(row.w_auid)}"))
        more = f"in the same audit session {row.asid}" if sessions else "in an audit session that isn't recorded"
        if not versions:
            more += "; on systems other than macOS root may change it"
        yield Suspect(
            severity=severity,
            world=row.world,
            time=row.time,
            words=f"{who} has changed its audit user id: {what}, {more}",
            evidence=tuple(seen),
            tasks=(before, who) if before != who else (who,),
            step=(before, who),
            how=f"changed: {what}",
            token=Token(auid=row.auid, pid=row.pid, asid=row.asid if sessions else None),
            program=row.program,
        )


@rule("reuse", (41, 36), "a process id with its version is used once", needs=("birth", "image"))
def reuse(store: Store) -> Iterator[Suspect]:
    """As long as the machine runs, a process id with its version names one image of one process: no other process
    and no later image has both."""
    question = """
        WITH born AS (
            SELECT n, world, file, place, ord, tm, c_pid AS pid, c_ver AS ver, how, p_pid AS f_pid, p_ver AS f_ver,
                c_auid >= 0 AND c_asid >= 0 AS whole, c_program AS program
            FROM birth WHERE c_ver >= 0
            UNION ALL
            SELECT n, world, file, place, ord, tm, a_pid, a_ver, how, b_pid, b_ver, a_auid >= 0 AND a_asid >= 0, a_program
            FROM image WHERE a_ver >= 0
        ),
        twice AS (SELECT world, pid, ver FROM born GROUP BY ALL HAVING count(DISTINCT (ord, how, f_pid, f_ver)) > 1)
        SELECT *, lag(file) OVER same AS w_file, lag(place) OVER same AS w_place, lag(how) OVER same AS w_how,
            lag((ord, f_pid, f_ver)) OVER same AS w_event,
            (ord, f_pid, f_ver) AS event
        FROM born SEMI JOIN twice USING (world, pid, ver)
        WINDOW same AS (PARTITION BY world, pid, ver ORDER BY ord, n)
        ORDER BY n
    """
    for row in rows(store, question):
        if row.w_file is None or (row.w_event, row.w_how) == (row.event, row.how):
            continue  # the first, or the same event in two recordings
        who = row.who()
        one_boot = store.worlds[row.world].clock != "time"
        more = "" if one_boot else "; the machine may have restarted in between, which its wall clock doesn't show"
        yield Suspect(
            severity=unless_ambiguous(not row.whole or not one_boot, Severity.ERROR),
            world=row.world,
            time=row.time,
            words=f"{who} began twice: first by {row.w_how}, then again by {row.how}{more}",
            evidence=(
                evidence(store, row.w_file, row.w_place, f"{row.w_how}: {who}"),
                evidence(store, row.file, row.place, f"{row.how}: {who} again"),
            ),
            tasks=(who,),
        )
    yield from _kept(store)


def _kept(store: Store) -> Iterator[Suspect]:
    """An image, or a child, with the same identity as the task that it came from."""
    question = """
        SELECT n, world, file, place, tm, a_pid AS pid, a_ver AS ver, a_auid >= 0 AND a_asid >= 0 AS whole, how, 'its new image' AS what
        FROM image WHERE a_ver >= 0 AND a_pid = b_pid AND a_ver = b_ver
        UNION ALL
        SELECT n, world, file, place, tm, c_pid, c_ver, c_auid >= 0 AND c_asid >= 0, how, 'its child'
        FROM birth WHERE c_ver >= 0 AND c_pid = p_pid AND c_ver = p_ver
        ORDER BY n
    """
    for row in rows(store, question):
        who = row.who()
        yield Suspect(
            severity=unless_ambiguous(not row.whole, Severity.ERROR),
            world=row.world,
            time=row.time,
            words=f"{who} has the same process id and version as {row.what} ({row.how})",
            evidence=(evidence(store, row.file, row.place, f"{row.how}: {who} before and after"),),
            tasks=(who,),
        )
