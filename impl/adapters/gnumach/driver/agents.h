/* The agents as the driver sees them: it makes them, hands them calls, and sees whether they answer, wait, are stopped or are gone. */
#pragma once
#include "words.h"
#include <mach/mach_types.h>

#define AGENTS 64u

enum agent_state {
	NO_AGENT,
	READY,          /* its thread is parked */
	WAITING,        /* its call hasn't ended */
	STOPPED,        /* its task was suspended before its call had ended */
};

struct agent {
	enum agent_state state;
	mach_port_t task;
	mach_port_t thread;
	uint32_t kernel_task;   /* the kernel's address of the task */
	uint32_t call;          /* the last call that it was handed */
	int sending;            /* whether that is mach_msg, and waits for room, so that it hasn't begun to receive */
};

extern struct agent agents[AGENTS];

enum outcome { DONE, BLOCKED, HALTED, GONE };

/* Begin a system with one task, the first agent, which has send rights to the two ports under the names 1 and 2. */
kern_return_t first_agent(mach_port_t host_priv, mach_port_t device_master);

/* Make an agent of a task that agent `creator` has just created, and to which it has a right called `name`; gives its number. */
kern_return_t adopt(uint32_t creator, mach_port_t name, uint32_t *number);

/* End them all. */
void end_agents(void);

/* Let an agent make a call; if it ended, `words` holds its results. */
enum outcome make_call(uint32_t number, uint32_t call, struct words *words, uint32_t *code);

/* Whether the call of an agent that waits, or was stopped, has ended by now. */
enum outcome look_again(uint32_t number, struct words *words, uint32_t *code);

/* Tasks that are no more are no agents any more. */
void forget_the_dead(void);

/* Memory that came with an answer is given back when a system ends: to do it at once takes as long as the call. */
void give_back_later(vm_address_t address, vm_size_t bytes);
