/* Calls on a task's port name space. Each takes its arguments in the order of the signature table and gives its results in that order;
   what a kernel spells differently is said where it is. */
#include "calls.h"
#include "routines.h"
#include "system.h"
#include "mig/mach_port.h"

/* The bits of a type that tell of requests, not of rights. */
#define REQUEST_BITS (MACH_PORT_TYPE_DNREQUEST | MACH_PORT_TYPE_MAREQUEST)

static kern_return_t allocate(struct words *in, struct words *out)
{
	mach_port_t task = take(in), name = 0;
	kern_return_t code = mach_port_allocate(task, take(in), &name);

	give(out, name);
	return code;
}

/* The name isn't told: the driver looks which it was. */
static kern_return_t allocate_name(struct words *in, struct words *out)
{
	mach_port_t task = take(in);
	mach_port_right_t right = take(in);
	mach_port_t name = take(in);

	give(out, name);
	return mach_port_allocate_name(task, right, name);
}

static kern_return_t deallocate(struct words *in, struct words *out)
{
	mach_port_t task = take(in);

	(void) out;
	return mach_port_deallocate(task, take(in));
}

static kern_return_t destroy(struct words *in, struct words *out)
{
	mach_port_t task = take(in);

	(void) out;
	return mach_port_destroy(task, take(in));
}

static kern_return_t rename_right(struct words *in, struct words *out)
{
	mach_port_t task = take(in), old_name = take(in);

	(void) out;
	return mach_port_rename(task, old_name, take(in));
}

static kern_return_t mod_refs(struct words *in, struct words *out)
{
	mach_port_t task = take(in), name = take(in);
	mach_port_right_t right = take(in);

	(void) out;
	return mach_port_mod_refs(task, name, right, (mach_port_delta_t) take(in));
}

static kern_return_t get_refs(struct words *in, struct words *out)
{
	mach_port_t task = take(in), name = take(in);
	mach_port_urefs_t refs = 0;
	kern_return_t code = mach_port_get_refs(task, name, take(in), &refs);

	give(out, refs);
	return code;
}

static kern_return_t type(struct words *in, struct words *out)
{
	mach_port_t task = take(in);
	mach_port_type_t found = 0;
	kern_return_t code = mach_port_type(task, take(in), &found);

	give(out, found & ~REQUEST_BITS);
	return code;
}

static kern_return_t names(struct words *in, struct words *out)
{
	mach_port_name_array_t found;
	mach_port_type_array_t types;
	mach_msg_type_number_t count = 0, type_count = 0, each, told = 0;
	kern_return_t code = mach_port_names(take(in), &found, &count, &types, &type_count);

	if (code != KERN_SUCCESS)
		return code;
	for (each = 0; each < count; each++)
		told += found[each] < AGENT_REPLY_PORT;
	give(out, told);
	for (each = 0; each < count; each++)
		if (found[each] < AGENT_REPLY_PORT)
			give(out, found[each]);
	give(out, told);
	for (each = 0; each < count; each++)
		if (found[each] < AGENT_REPLY_PORT)
			give(out, types[each] & ~REQUEST_BITS);
	return code;
}

static kern_return_t insert_right(struct words *in, struct words *out)
{
	mach_port_t task = take(in), name = take(in), right = take(in);

	(void) out;
	return mach_port_insert_right(task, name, right, take(in));
}

static kern_return_t extract_right(struct words *in, struct words *out)
{
	mach_port_t task = take(in), name = take(in), right = 0;
	mach_msg_type_name_t acquired = 0;
	kern_return_t code = mach_port_extract_right(task, name, take(in), &right, &acquired);

	give(out, right);
	give(out, acquired);
	return code;
}

static kern_return_t move_member(struct words *in, struct words *out)
{
	mach_port_t task = take(in), member = take(in);

	(void) out;
	return mach_port_move_member(task, member, take(in));
}

static kern_return_t get_set_status(struct words *in, struct words *out)
{
	mach_port_t task = take(in);
	mach_port_name_array_t members;
	mach_msg_type_number_t count = 0, each;
	kern_return_t code = mach_port_get_set_status(task, take(in), &members, &count);

	if (code != KERN_SUCCESS)
		return code;
	give(out, count);
	for (each = 0; each < count; each++)
		give(out, members[each]);
	return code;
}

static kern_return_t set_mscount(struct words *in, struct words *out)
{
	mach_port_t task = take(in), name = take(in);

	(void) out;
	return mach_port_set_mscount(task, name, take(in));
}

static kern_return_t set_seqno(struct words *in, struct words *out)
{
	mach_port_t task = take(in), name = take(in);

	(void) out;
	return mach_port_set_seqno(task, name, take(in));
}

/* This kernel has a call for the receive status, which tells the limit too, instead of flavours. */
static kern_return_t get_attributes(struct words *in, struct words *out)
{
	mach_port_t task = take(in), name = take(in);
	int limits_only = take(in) == 1;
	mach_port_status_t status;
	kern_return_t code = mach_port_get_receive_status(task, name, &status);

	if (limits_only) {
		give(out, 1);
		give(out, status.mps_qlimit);
		return code;
	}
	give(out, 10);
	give(out, status.mps_pset);
	give(out, status.mps_seqno);
	give(out, status.mps_mscount);
	give(out, status.mps_qlimit);
	give(out, status.mps_msgcount);
	give(out, status.mps_sorights);
	give(out, status.mps_srights != 0);
	give(out, status.mps_pdrequest != 0);
	give(out, status.mps_nsrequest != 0);
	give(out, 0);
	return code;
}

/* This kernel has a call for the queue limit instead of flavours: the first of the words. */
static kern_return_t set_attributes(struct words *in, struct words *out)
{
	mach_port_t task = take(in), name = take(in);

	(void) out;
	take(in);
	take(in);
	return mach_port_set_qlimit(task, name, take(in));
}

static kern_return_t request_notification(struct words *in, struct words *out)
{
	mach_port_t task = take(in), name = take(in), previous = 0;
	mach_msg_id_t variant = (mach_msg_id_t) take(in);
	mach_port_mscount_t sync = take(in);
	mach_port_t notify = take(in);
	kern_return_t code = mach_port_request_notification(task, name, variant, sync, notify, take(in), &previous);

	give(out, previous);
	return code;
}

static kern_return_t reply_port(struct words *in, struct words *out)
{
	(void) in;
	give(out, mach_reply_port());
	return KERN_SUCCESS;
}

void add_port_calls(routine table[])
{
	table[CALL_mach_port_allocate] = allocate;
	table[CALL_mach_port_allocate_name] = allocate_name;
	table[CALL_mach_port_deallocate] = deallocate;
	table[CALL_mach_port_destroy] = destroy;
	table[CALL_mach_port_rename] = rename_right;
	table[CALL_mach_port_mod_refs] = mod_refs;
	table[CALL_mach_port_get_refs] = get_refs;
	table[CALL_mach_port_type] = type;
	table[CALL_mach_port_names] = names;
	table[CALL_mach_port_insert_right] = insert_right;
	table[CALL_mach_port_extract_right] = extract_right;
	table[CALL_mach_port_move_member] = move_member;
	table[CALL_mach_port_get_set_status] = get_set_status;
	table[CALL_mach_port_set_mscount] = set_mscount;
	table[CALL_mach_port_set_seqno] = set_seqno;
	table[CALL_mach_port_get_attributes] = get_attributes;
	table[CALL_mach_port_set_attributes] = set_attributes;
	table[CALL_mach_port_request_notification] = request_notification;
	table[CALL_mach_reply_port] = reply_port;
}
