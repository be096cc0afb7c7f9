/* A task of the model: an agent, which makes one call after the other from its own port name space. It makes no other: even mach_task_self would
   leave a reference there. So memory that came with an answer stays in its address space until it ends. */
#pragma once
#include "words.h"

/* Where the driver leaves calls in an agent's memory, and the agent its answers. It has a page of its own, which is read and written as a whole. */
struct mailbox {
	volatile uint32_t state;
	uint32_t call;
	uint32_t code;
	struct words words;     /* the arguments; then the results */
};
enum { IDLE, ASKED, ANSWERED };

/* They lie at the same place in every task. */
struct mailbox *agent_mailbox(void);
char *agent_stack_top(void);

/* What an agent's only thread runs. */
void agent_main(void);

/* Whether there is such a call in this kernel. */
int agent_has(uint32_t call);
