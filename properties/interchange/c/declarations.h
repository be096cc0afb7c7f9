/* A right that a task has after a step. */
struct right {
	uint32_t task;
	mach_port_t *name;
	const char *words;
	mach_port_type_t type;
	uint32_t references;
	int of_kernel;          /* it is to a port of the kernel's */
	uint32_t port;          /* rights with the same number are to the same port */
	mach_port_t *in_set;
	uint32_t status[8];     /* of a receive right: sequence number, make-send count, queue limit, messages, send-once rights, send rights,
	                           whether there is a port-destroyed request, and a no-senders request */
};

/* A name of a list that a call returned. */
struct listed {
	mach_port_t *name;
	const char *words;
	mach_port_type_t type;
};
#define ANY_TYPE 0xffffffffu

struct living {
	uint32_t lives, suspended;
};

struct step {
	const char *words;
	uint32_t task;
	kern_return_t (*call)(struct words *out);
	void (*check)(void);    /* what the call gave */
	void (*state)(void);    /* what it left */
	uint32_t code;
	uint32_t creates;       /* the number of the task that it creates */
	int waits, no_answer;
	const char *why_not;    /* why the step isn't expressed here */
};

static void say(const char *text);
__attribute__((unused)) static void expect(const char *what, uint32_t expected);
__attribute__((unused)) static void bind(const char *what, mach_port_t *name);
__attribute__((unused)) static void skip(uint32_t words);
__attribute__((unused)) static void expect_names(const char *what, const struct listed *expected, uint32_t count);
__attribute__((unused)) static void expect_state(const struct right *expected, uint32_t count, const struct living *tasks);
