/* Calls that tell of a port for debugging. */
#include "calls.h"
#include "routines.h"
#include "mig/mach_debug.h"

static kern_return_t get_srights(struct words *in, struct words *out)
{
	mach_port_t task = take(in);
	mach_port_rights_t send_rights = 0;
	kern_return_t code = mach_port_get_srights(task, take(in), &send_rights);

	give(out, send_rights);
	return code;
}

/* The address of the object, which this kernel tells too, means nothing to others. */
static kern_return_t kernel_object(struct words *in, struct words *out)
{
	mach_port_t task = take(in);
	unsigned type = 0;
	vm_offset_t address;
	kern_return_t code = mach_port_kernel_object(task, take(in), &type, &address);

	give(out, type);
	return code;
}

static kern_return_t dnrequest_info(struct words *in, struct words *out)
{
	mach_port_t task = take(in);
	unsigned total = 0, used = 0;
	kern_return_t code = mach_port_dnrequest_info(task, take(in), &total, &used);

	give(out, total);
	give(out, used);
	return code;
}

void add_debug_calls(routine table[])
{
	table[CALL_mach_port_get_srights] = get_srights;
	table[CALL_mach_port_kernel_object] = kernel_object;
	table[CALL_mach_port_dnrequest_info] = dnrequest_info;
}
