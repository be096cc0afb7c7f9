#include "agents.h"
#include "agent.h"
#include "calls.h"
#include "system.h"
#include "mig/mach.h"
#include "mig/mach_debug.h"
#include "mig/mach_port.h"
#include <mach/machine/thread_status.h>
#include <mach/thread_info.h>

#define LEFT 1024u

struct agent agents[AGENTS];

/* The driver's own code and data, which every agent has at the same place. */
extern char __executable_start[], _end[];

/* A page to write mailboxes from. */
static union {
	struct mailbox mailbox;
	char page[PAGE];
} outgoing __attribute__((aligned(PAGE)));

static struct {
	vm_address_t address;
	vm_size_t bytes;
} left[LEFT];
static uint32_t left_count;

static void give_back(void)
{
	while (left_count) {
		left_count--;
		syscall_vm_deallocate(mach_task_self(), left[left_count].address, left[left_count].bytes);
	}
}

void give_back_later(vm_address_t address, vm_size_t bytes)
{
	if (left_count == LEFT)
		give_back();
	left[left_count].address = address;
	left[left_count++].bytes = bytes;
}

static kern_return_t give_image(mach_port_t task)
{
	vm_address_t start = (vm_address_t) __executable_start & ~(PAGE - 1);
	vm_size_t bytes = ((vm_address_t) _end - start + PAGE - 1) & ~(PAGE - 1);
	kern_return_t code = vm_allocate(task, &start, bytes, FALSE);

	return code == KERN_SUCCESS ? vm_write(task, start, start, bytes) : code;
}

static kern_return_t write_mailbox(mach_port_t task)
{
	return vm_write(task, (vm_address_t) agent_mailbox(), (vm_offset_t) &outgoing, PAGE);
}

static kern_return_t start_thread(struct agent *agent)
{
	struct i386_thread_state state;
	mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
	kern_return_t code = thread_create(agent->task, &agent->thread);

	if (code == KERN_SUCCESS)
		code = thread_get_state(agent->thread, i386_REGS_SEGS_STATE, (thread_state_t) &state, &count);
	if (code != KERN_SUCCESS)
		return code;
	state.eip = (unsigned) agent_main;
	state.uesp = (unsigned) agent_stack_top();
	return thread_set_state(agent->thread, i386_REGS_SEGS_STATE, (thread_state_t) &state, count);
}

/* Make an agent of a task: its image, unless it has inherited one, a port for replies, and a thread. */
static kern_return_t equip(struct agent *agent)
{
	unsigned type;
	vm_offset_t address = 0;
	kern_return_t code = mach_port_kernel_object(mach_task_self(), agent->task, &type, &address);

	agent->kernel_task = address;
	outgoing.mailbox.state = IDLE;
	if (code == KERN_SUCCESS && write_mailbox(agent->task) != KERN_SUCCESS) {
		code = give_image(agent->task);
		if (code == KERN_SUCCESS)
			code = write_mailbox(agent->task);
	}
	if (code == KERN_SUCCESS)
		code = mach_port_allocate_name(agent->task, MACH_PORT_RIGHT_RECEIVE, AGENT_REPLY_PORT);
	if (code == KERN_SUCCESS)
		code = start_thread(agent);
	if (code == KERN_SUCCESS)
		agent->state = READY;
	return code;
}

static uint32_t free_number(void)
{
	uint32_t number = 0;

	while (number < AGENTS && agents[number].state != NO_AGENT)
		number++;
	return number;
}

kern_return_t first_agent(mach_port_t host_priv, mach_port_t device_master)
{
	struct agent *agent = &agents[0];
	kern_return_t code = task_create(mach_task_self(), FALSE, &agent->task);

	if (code == KERN_SUCCESS)
		code = equip(agent);
	if (code == KERN_SUCCESS)
		code = mach_port_insert_right(agent->task, 1, host_priv, MACH_MSG_TYPE_COPY_SEND);
	if (code == KERN_SUCCESS)
		code = mach_port_insert_right(agent->task, 2, device_master, MACH_MSG_TYPE_COPY_SEND);
	if (code == KERN_SUCCESS)
		code = task_set_special_port(agent->task, TASK_BOOTSTRAP_PORT, MACH_PORT_NULL);
	if (code == KERN_SUCCESS)
		code = task_set_special_port(agent->task, TASK_EXCEPTION_PORT, MACH_PORT_NULL);
	return code;
}

kern_return_t adopt(uint32_t creator, mach_port_t name, uint32_t *number)
{
	mach_msg_type_name_t type;
	kern_return_t code;

	*number = free_number();
	if (*number == AGENTS)
		return KERN_RESOURCE_SHORTAGE;
	code = mach_port_extract_right(agents[creator].task, name, MACH_MSG_TYPE_COPY_SEND, &agents[*number].task, &type);
	return code == KERN_SUCCESS ? equip(&agents[*number]) : code;
}

static void forget(struct agent *agent)
{
	syscall_mach_port_deallocate(mach_task_self(), agent->thread);
	syscall_mach_port_deallocate(mach_task_self(), agent->task);
	agent->state = NO_AGENT;
}

void end_agents(void)
{
	uint32_t number;

	for (number = 0; number < AGENTS; number++)
		if (agents[number].state != NO_AGENT) {
			task_terminate(agents[number].task);
			forget(&agents[number]);
		}
	give_back();
}

void forget_the_dead(void)
{
	uint32_t number;

	for (number = 0; number < AGENTS; number++) {
		mach_port_type_t type = 0;

		if (agents[number].state == NO_AGENT)
			continue;
		mach_port_type(mach_task_self(), agents[number].task, &type);
		if (type & MACH_PORT_TYPE_DEAD_NAME)
			forget(&agents[number]);
	}
}

/* Whether the agent has answered; if so, what. */
static int answered(struct agent *agent, struct words *words, uint32_t *code)
{
	vm_offset_t found;
	mach_msg_type_number_t bytes;
	int is;

	if (vm_read(agent->task, (vm_address_t) agent_mailbox(), PAGE, &found, &bytes) != KERN_SUCCESS)
		return 0;
	const struct mailbox *mailbox = (const struct mailbox *) found;
	is = mailbox->state == ANSWERED;
	if (is) {
		words->at = 0;
		words->count = mailbox->words.count;
		memcpy(words->word, mailbox->words.word, words->count * sizeof words->word[0]);
		*code = mailbox->code;
	}
	give_back_later(found, bytes);
	return is;
}

/* A thread that waits for a message has given up its kernel stack, and one that waits for room keeps it (thread_block with and without a
   continuation, in the kernel's ipc/ipc_mqueue.c). */
static int run_state(struct agent *agent)
{
	struct thread_basic_info info;
	mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

	if (thread_info(agent->thread, THREAD_BASIC_INFO, (thread_info_t) &info, &count) != KERN_SUCCESS)
		return 0;
	agent->sending = agent->call == CALL_mach_msg && info.run_state == TH_STATE_WAITING && !(info.flags & TH_FLAGS_SWAPPED);
	return info.run_state;
}

/* Let the agent run until it has answered or can't go on. The kernel runs one thread at a time, so an agent that is found waiting twice,
   after the driver gave up the processor, waits. */
static enum outcome run(struct agent *agent, struct words *words, uint32_t *code)
{
	int last = 0;

	for (;;) {
		int state;

		swtch_pri(0);
		if (answered(agent, words, code)) {
			thread_suspend(agent->thread);
			agent->state = READY;
			return DONE;
		}
		state = run_state(agent);
		if (!state)
			return GONE;
		if (state == last && state == TH_STATE_WAITING) {
			agent->state = WAITING;
			return BLOCKED;
		}
		if (state == last && state == TH_STATE_STOPPED) {
			agent->state = STOPPED;
			return HALTED;
		}
		last = state;
	}
}

enum outcome make_call(uint32_t number, uint32_t call, struct words *words, uint32_t *code)
{
	struct agent *agent = &agents[number];

	agent->call = call;
	outgoing.mailbox.state = ASKED;
	outgoing.mailbox.call = call;
	outgoing.mailbox.words.count = words->count;
	memcpy(outgoing.mailbox.words.word, words->word, words->count * sizeof words->word[0]);
	if (write_mailbox(agent->task) != KERN_SUCCESS)
		return GONE;
	thread_resume(agent->thread);
	return run(agent, words, code);
}

enum outcome look_again(uint32_t number, struct words *words, uint32_t *code)
{
	int state = run_state(&agents[number]);

	if (!state)
		return GONE;
	if (state == TH_STATE_WAITING && agents[number].state == WAITING)
		return BLOCKED;
	if (state == TH_STATE_STOPPED)
		return HALTED;
	return run(&agents[number], words, code);
}
