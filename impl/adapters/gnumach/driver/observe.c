/* Of each task its suspend count, and of each name its type, its user references, which port a send right is to, and the receive status.
   Which port: send rights to one port have one name in the driver's space, while it holds them. */
#include "observe.h"
#include "agents.h"
#include "host.h"
#include "system.h"
#include "mig/mach.h"
#include "mig/mach_debug.h"
#include "mig/mach_port.h"

#define SHOWN_WORDS 480u
#define IDENTIFIED 512u

struct shown {
	uint32_t count;
	uint32_t word[SHOWN_WORDS];
};
/* One for each agent; not in the image, which every agent gets a copy of. */
static struct shown *before, *now;

/* Rights that were taken to know which ports they are to, and where to write that down. */
static struct {
	mach_port_t task, name;
	uint32_t *where;
} wanted[IDENTIFIED];
static uint32_t wanted_count;

static void show(struct shown *shown, uint32_t value)
{
	if (shown->count < SHOWN_WORDS)
		shown->word[shown->count++] = value;
}

static void show_references(struct shown *shown, mach_port_t task, mach_port_t name, mach_port_type_t type)
{
	static const struct {
		mach_port_type_t type;
		mach_port_right_t right;
	} counted[] = {
		{MACH_PORT_TYPE_SEND, MACH_PORT_RIGHT_SEND},
		{MACH_PORT_TYPE_SEND_ONCE, MACH_PORT_RIGHT_SEND_ONCE},
		{MACH_PORT_TYPE_DEAD_NAME, MACH_PORT_RIGHT_DEAD_NAME},
	};
	mach_port_urefs_t references = 0;
	uint32_t each;

	for (each = 0; each < sizeof counted / sizeof counted[0]; each++)
		if (type & counted[each].type)
			mach_port_get_refs(task, name, counted[each].right, &references);
	show(shown, references);
}

static void show_status(struct shown *shown, mach_port_t task, mach_port_t name)
{
	mach_port_status_t status;
	mach_port_rights_t send_rights = 0;

	mach_port_get_receive_status(task, name, &status);
	if (status.mps_srights)
		mach_port_get_srights(task, name, &send_rights);
	show(shown, status.mps_pset);
	show(shown, status.mps_seqno);
	show(shown, status.mps_mscount);
	show(shown, status.mps_qlimit);
	show(shown, status.mps_msgcount);
	show(shown, status.mps_sorights);
	show(shown, send_rights);
	show(shown, (status.mps_pdrequest != 0) | (status.mps_nsrequest != 0) << 1);
}

static void show_task(struct shown *shown, mach_port_t task)
{
	struct task_basic_info info;
	mach_msg_type_number_t info_count = TASK_BASIC_INFO_COUNT, count = 0, type_count = 0, each;
	mach_port_name_array_t names;
	mach_port_type_array_t types;

	info.suspend_count = 0;
	shown->count = 0;
	task_info(task, TASK_BASIC_INFO, (task_info_t) &info, &info_count);
	show(shown, (uint32_t) info.suspend_count);
	if (mach_port_names(task, &names, &count, &types, &type_count) != KERN_SUCCESS)
		return;
	for (each = 0; each < count; each++) {
		if (names[each] >= AGENT_REPLY_PORT && names[each] < AGENT_REPLY_PORT + 1)
			continue;
		show(shown, names[each]);
		show(shown, types[each] >> 16);
		show_references(shown, task, names[each], types[each]);
		if (types[each] & MACH_PORT_TYPE_SEND) {
			if (wanted_count < IDENTIFIED && shown->count < SHOWN_WORDS) {
				wanted[wanted_count].task = task;
				wanted[wanted_count].name = names[each];
				wanted[wanted_count++].where = &shown->word[shown->count];
			}
			show(shown, 0);
		}
		if (types[each] & MACH_PORT_TYPE_RECEIVE)
			show_status(shown, task, names[each]);
	}
	if (count) {
		give_back_later((vm_address_t) names, count * sizeof *names);
		give_back_later((vm_address_t) types, type_count * sizeof *types);
	}
}

/* All rights are taken before any is given back, so that rights to one port come under one name. Ports are then numbered as they come, which
   doesn't change from one time to the next as names would. */
static void identify(void)
{
	static mach_port_t right[IDENTIFIED];
	uint32_t each, other, ports = 0;

	for (each = 0; each < wanted_count; each++) {
		mach_msg_type_name_t type;

		if (mach_port_extract_right(wanted[each].task, wanted[each].name, MACH_MSG_TYPE_COPY_SEND, &right[each], &type) != KERN_SUCCESS)
			right[each] = MACH_PORT_NULL;
	}
	for (each = 0; each < wanted_count; each++) {
		if (!right[each])
			continue;
		for (other = 0; right[other] != right[each]; other++)
			;
		*wanted[each].where = other == each ? ++ports : *wanted[other].where;
	}
	for (each = 0; each < wanted_count; each++)
		if (right[each])
			syscall_mach_port_deallocate(mach_task_self(), right[each]);
	wanted_count = 0;
}

static int alike(const struct shown *one, const struct shown *other)
{
	uint32_t at;

	if (one->count != other->count)
		return 0;
	for (at = 0; at < one->count; at++)
		if (one->word[at] != other->word[at])
			return 0;
	return 1;
}

void put_observation(void)
{
	uint32_t number, at;

	for (number = 0; number < AGENTS; number++)
		if (agents[number].state != NO_AGENT)
			show_task(&now[number], agents[number].task);
	identify();
	for (number = 0; number < AGENTS; number++) {
		if (agents[number].state == NO_AGENT)
			continue;
		put_text(" T");
		put_number(number);
		if (alike(&now[number], &before[number])) {
			put_text(" =");
			continue;
		}
		for (at = 0; at < now[number].count; at++)
			put_number(now[number].word[at]);
		before[number] = now[number];
	}
}

void forget_observations(void)
{
	uint32_t number;

	if (!before) {
		vm_allocate(mach_task_self(), (vm_address_t *) &before, AGENTS * sizeof *before, TRUE);
		vm_allocate(mach_task_self(), (vm_address_t *) &now, AGENTS * sizeof *now, TRUE);
	}
	for (number = 0; number < AGENTS; number++)
		forget_observation_of(number);
}

void forget_observation_of(uint32_t number)
{
	before[number].count = 0;
}
