#include "agent.h"
#include "calls.h"
#include "routines.h"
#include "system.h"

_Static_assert(sizeof(struct mailbox) <= PAGE, "a mailbox is one page");

/* Pages of their own, so that the driver can write to the mailbox of a task as a whole. */
static struct {
	struct mailbox mailbox;
	char rest[PAGE - sizeof(struct mailbox)];
} the_mailbox __attribute__((aligned(PAGE)));
static char stack[4 * PAGE] __attribute__((aligned(PAGE)));

static routine routines[CALL_COUNT];

static void add_all(void)
{
	add_port_calls(routines);
	add_task_calls(routines);
	add_memory_calls(routines);
	add_message_calls(routines);
	add_debug_calls(routines);
}

struct mailbox *agent_mailbox(void)
{
	return &the_mailbox.mailbox;
}

char *agent_stack_top(void)
{
	return stack + sizeof stack - 16;
}

int agent_has(uint32_t call)
{
	if (!routines[CALL_mach_task_self])
		add_all();
	return call < CALL_COUNT && routines[call] != 0;
}

void agent_main(void)
{
	static struct words results;
	struct mailbox *mailbox = agent_mailbox();

	use_reply_port(AGENT_REPLY_PORT);
	add_all();
	for (;;) {
		while (mailbox->state != ASKED)
			swtch_pri(0);
		results.count = results.at = 0;
		mailbox->words.at = 0;
		mailbox->code = (uint32_t) routines[mailbox->call](&mailbox->words, &results);
		memcpy(&mailbox->words, &results, sizeof results - sizeof results.word + results.count * sizeof results.word[0]);
		mailbox->state = ANSWERED;
	}
}
