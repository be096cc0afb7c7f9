/* The driver: GNU Mach's first and only task of its own. It does what the host asks for, line by line.

   begin                        end all tasks; begin anew with one
   call AGENT CALL WORD...      let a task make a call; the words are its arguments
   look AGENT                   look whether the call of a task that waits has ended
   panic                        let the kernel panic, so that tests see what the host makes of it

   Numbers are hexadecimal. The answer's parts:

   A CODE WORD...               the call has ended, and how
   B                            it waits
   S                            it is mach_msg, and waits for room: it hasn't begun to receive
   H                            its task was suspended before it had ended
   G                            its task is gone
   U                            it can't be made: what it is sent to is a port of a user's, whose receiver would have to answer
   W                            it can't be made: it would suspend a task that waits
   N AGENT                      the task that the call created
   E AGENT CODE WORD...         the call of a task that waited has ended, too
   M AGENT                      the mach_msg of a task that waited for room has sent its message, and waits for one
   T AGENT =                    a task shows what it showed before, or
   T AGENT SUSPENDED (NAME TYPE REFERENCES [PORT] [STATUS...])...
   ! CODE                       the driver could not do its part
   # SUM                        the end: of the bytes before it, as write_line adds them up */
#include "agent.h"
#include "agents.h"
#include "calls.h"
#include "observe.h"
#include "host.h"
#include "system.h"
#include "words.h"
#include "mig/mach_debug.h"
#include "mig/mach_i386.h"
#include "mig/mach_port.h"

#define LONGEST 8192u

static mach_port_t host_priv, device_master;

static void trouble(kern_return_t code)
{
	put_text(" !");
	put_number((uint32_t) code);
}

static uint32_t number_at(const char **at)
{
	uint32_t number = 0;

	while (**at == ' ')
		++*at;
	while (**at && **at != ' ') {
		char digit = *(*at)++;

		number = number << 4 | (uint32_t) (digit <= '9' ? digit - '0' : digit - 'a' + 10);
	}
	return number;
}

static void put_words(const struct words *words)
{
	uint32_t at;

	for (at = 0; at < words->count; at++)
		put_number(words->word[at]);
}

/* The kernel object behind a send right of an agent's: whether it is one of a user's ports, and if a task, which. */
static int is_users_port(uint32_t number, mach_port_t name, vm_offset_t *object)
{
	mach_port_type_t rights = 0;
	unsigned type = 1;

	*object = 0;
	if (mach_port_kernel_object(agents[number].task, name, &type, object) != KERN_SUCCESS || type != 0)
		return 0;
	return mach_port_type(agents[number].task, name, &rights) == KERN_SUCCESS && (rights & MACH_PORT_TYPE_SEND);
}

static int suspends_one_that_waits(uint32_t call, vm_offset_t object)
{
	uint32_t number;

	if (call != CALL_task_suspend || !object)
		return 0;
	for (number = 0; number < AGENTS; number++)
		if (agents[number].state == WAITING && agents[number].kernel_task == object)
			return 1;
	return 0;
}

static void put_outcome(uint32_t number, uint32_t call, enum outcome outcome, uint32_t code, struct words *words)
{
	static const char letters[] = {[BLOCKED] = 'B', [HALTED] = 'H', [GONE] = 'G'};

	if (outcome != DONE) {
		put_letter(outcome == BLOCKED && agents[number].sending ? 'S' : letters[outcome]);
		return;
	}
	put_letter('A');
	put_number(code);
	put_words(words);
	if (call == CALL_task_create && code == KERN_SUCCESS) {
		uint32_t created;
		kern_return_t adopted = adopt(number, words->word[0], &created);

		if (adopted != KERN_SUCCESS)
			trouble(adopted);
		forget_observation_of(created);
		put_text(" N");
		put_number(created);
	}
}

/* Calls that waited and have ended by now, or sent what they waited to send: until none is found, as one may let another go on. */
static void put_calls_that_went_on(uint32_t caller)
{
	static struct words words;
	uint32_t number, code;
	int found;

	do {
		found = 0;
		for (number = 0; number < AGENTS; number++) {
			enum agent_state state = agents[number].state;
			int was_sending = agents[number].sending;
			enum outcome outcome;

			if (number == caller || (state != WAITING && state != STOPPED))
				continue;
			outcome = look_again(number, &words, &code);
			if (outcome == BLOCKED && was_sending && !agents[number].sending) {
				found = 1;
				put_text(" M");
				put_number(number);
			}
			if (outcome != DONE)
				continue;
			found = 1;
			if (state == STOPPED)   /* it was answered when it was stopped */
				continue;
			put_text(" E");
			put_number(number);
			put_number(code);
			put_words(&words);
		}
	} while (found);
}

static void call(const char *at)
{
	static struct words words;
	uint32_t number = number_at(&at), call_number = number_at(&at), code = 0;
	vm_offset_t object = 0;
	enum outcome outcome;

	words.count = words.at = 0;
	while (*at)
		give(&words, number_at(&at));
	if (number >= AGENTS || agents[number].state != READY || !agent_has(call_number)) {
		trouble(KERN_INVALID_ARGUMENT);
		return;
	}
	if (call_has_target[call_number] && is_users_port(number, words.word[0], &object)) {
		put_letter('U');
		return;
	}
	if (suspends_one_that_waits(call_number, object)) {
		put_letter('W');
		return;
	}
	outcome = make_call(number, call_number, &words, &code);
	put_outcome(number, call_number, outcome, code, &words);
	put_calls_that_went_on(number);
	if (call_number == CALL_task_terminate)
		forget_the_dead();
	put_observation();
}

static void look(const char *at)
{
	static struct words words;
	uint32_t number = number_at(&at), code = 0;
	enum outcome outcome;

	if (number >= AGENTS || agents[number].state != WAITING) {
		trouble(KERN_INVALID_ARGUMENT);
		return;
	}
	outcome = look_again(number, &words, &code);
	put_outcome(number, CALL_COUNT, outcome, code, &words);
	put_calls_that_went_on(number);
	put_observation();
}

static void begin(void)
{
	kern_return_t code;

	end_agents();
	forget_observations();
	code = first_agent(host_priv, device_master);
	if (code != KERN_SUCCESS)
		trouble(code);
	put_observation();
}

/* GNU Mach's boot script gives the names of the rights to the privileged host port and the master device port as arguments. */
void driver_main(int *arguments)
{
	static char line[LONGEST];
	const char **argument = (const char **) (arguments + 1);

	use_reply_port(mach_reply_port());
	host_priv = device_master = 0;
	for (const char *at = argument[1]; *at; at++)
		host_priv = host_priv * 10 + (mach_port_t) (*at - '0');
	for (const char *at = argument[2]; *at; at++)
		device_master = device_master * 10 + (mach_port_t) (*at - '0');
	if (open_host(host_priv, device_master) != KERN_SUCCESS)
		mach_print("sendright: panic: no way to speak to the host\n");
	for (;;) {
		read_line(line, sizeof line);
		switch (line[0]) {
		case 'b':
			begin();
			break;
		case 'c':
			call(line + sizeof "call");
			break;
		case 'l':
			look(line + sizeof "look");
			break;
		case 'p':
			i386_io_perm_modify(mach_task_self(), MACH_PORT_NULL, TRUE);    /* a fault of the kernel's */
			break;
		default:
			trouble(KERN_INVALID_ARGUMENT);
		}
		write_line();
	}
}
