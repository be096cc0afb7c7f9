/* Calls on tasks, and the traps that give a task its own ports. */
#include "calls.h"
#include "routines.h"
#include "system.h"
#include "mig/mach.h"

#define MANY_PORTS 16u

static kern_return_t create(struct words *in, struct words *out)
{
	mach_port_t parent = take(in), child = 0;
	kern_return_t code = task_create(parent, (boolean_t) take(in), &child);

	give(out, child);
	return code;
}

static kern_return_t terminate(struct words *in, struct words *out)
{
	(void) out;
	return task_terminate(take(in));
}

static kern_return_t suspend(struct words *in, struct words *out)
{
	(void) out;
	return task_suspend(take(in));
}

static kern_return_t resume(struct words *in, struct words *out)
{
	(void) out;
	return task_resume(take(in));
}

/* Flavours that give tokens are not known here; what others give isn't looked at. */
static kern_return_t info(struct words *in, struct words *out)
{
	integer_t found[TASK_INFO_MAX];
	mach_port_t task = take(in);
	int flavour = (int) take(in);
	mach_msg_type_number_t count = take(in);

	give(out, 0);
	if (count > TASK_INFO_MAX)
		count = TASK_INFO_MAX;
	return task_info(task, flavour, found, &count);
}

static kern_return_t get_special_port(struct words *in, struct words *out)
{
	mach_port_t task = take(in), port = 0;
	kern_return_t code = task_get_special_port(task, (int) take(in), &port);

	give(out, port);
	return code;
}

static kern_return_t set_special_port(struct words *in, struct words *out)
{
	mach_port_t task = take(in);
	int which = (int) take(in);

	(void) out;
	return task_set_special_port(task, which, take(in));
}

static kern_return_t register_ports(struct words *in, struct words *out)
{
	mach_port_t ports[MANY_PORTS], task = take(in);
	uint32_t count = take(in), each;

	(void) out;
	for (each = 0; each < count && each < MANY_PORTS; each++)
		ports[each] = take(in);
	return mach_ports_register(task, ports, count);
}

static kern_return_t look_up_ports(struct words *in, struct words *out)
{
	mach_port_array_t ports = 0;
	mach_msg_type_number_t count = 0, each;
	kern_return_t code = mach_ports_lookup(take(in), &ports, &count);

	if (code != KERN_SUCCESS)
		return code;
	give(out, count);
	for (each = 0; each < count; each++)
		give(out, ports[each]);
	return code;
}

static kern_return_t task_self(struct words *in, struct words *out)
{
	(void) in;
	give(out, mach_task_self());
	return KERN_SUCCESS;
}

static kern_return_t host_self(struct words *in, struct words *out)
{
	(void) in;
	give(out, mach_host_self());
	return KERN_SUCCESS;
}

void add_task_calls(routine table[])
{
	table[CALL_task_create] = create;
	table[CALL_task_terminate] = terminate;
	table[CALL_task_suspend] = suspend;
	table[CALL_task_resume] = resume;
	table[CALL_task_info] = info;
	table[CALL_task_get_special_port] = get_special_port;
	table[CALL_task_set_special_port] = set_special_port;
	table[CALL_mach_ports_register] = register_ports;
	table[CALL_mach_ports_lookup] = look_up_ports;
	table[CALL_mach_task_self] = task_self;
	table[CALL_mach_host_self] = host_self;
}
