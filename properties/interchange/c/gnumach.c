/* ---- How the steps are made and judged. Below it is sendright's driver for GNU Mach: how tasks make calls. ---- */

#define NONE 0xffffffffu
#define MOST_SEEN 600u

static uint32_t agent_of[TASKS];        /* a task of the run -> the agent that makes its calls */
static struct seen {
	uint32_t task;
	mach_port_t name;
	struct right right;
	mach_port_t pset;
	mach_port_t held;               /* a send right is held while a state is looked at: which port it is to */
	int listed;
} seen[MOST_SEEN];
static uint32_t seen_count;

static void say(const char *text)
{
	mach_print(text);
}

static void look_at_name(uint32_t task, mach_port_t space, mach_port_t name, mach_port_type_t type)
{
	struct seen *now = &seen[seen_count++];
	mach_port_status_t status;

	memset(now, 0, sizeof *now);
	now->task = task;
	now->name = name;
	now->right.type = type & ~MACH_PORT_TYPE_MAREQUEST;
	if (type & MACH_PORT_TYPE_SEND)
		mach_port_get_refs(space, name, MACH_PORT_RIGHT_SEND, &now->right.references);
	if (type & MACH_PORT_TYPE_SEND_ONCE)
		mach_port_get_refs(space, name, MACH_PORT_RIGHT_SEND_ONCE, &now->right.references);
	if (type & MACH_PORT_TYPE_DEAD_NAME)
		mach_port_get_refs(space, name, MACH_PORT_RIGHT_DEAD_NAME, &now->right.references);
	if (type & MACH_PORT_TYPE_RECEIVE && mach_port_get_receive_status(space, name, &status) == KERN_SUCCESS) {
		now->pset = status.mps_pset;
		now->right.status[0] = status.mps_seqno;
		now->right.status[1] = status.mps_mscount;
		now->right.status[2] = status.mps_qlimit;
		now->right.status[3] = status.mps_msgcount;
		now->right.status[4] = status.mps_sorights;
		mach_port_get_srights(space, name, &now->right.status[5]);
		now->right.status[6] = status.mps_pdrequest != 0;
		now->right.status[7] = status.mps_nsrequest != 0;
	}
}

static void look(void)
{
	uint32_t task, each;

	seen_count = 0;
	for (task = 0; task < TASKS; task++) {
		mach_port_name_array_t names;
		mach_port_type_array_t types;
		mach_msg_type_number_t count = 0, type_count = 0;

		if (agent_of[task] == NONE || agents[agent_of[task]].state == NO_AGENT)
			continue;
		if (mach_port_names(agents[agent_of[task]].task, &names, &count, &types, &type_count) != KERN_SUCCESS)
			continue;
		for (each = 0; each < count; each++)
			if (names[each] != AGENT_REPLY_PORT && seen_count < MOST_SEEN)
				look_at_name(task, agents[agent_of[task]].task, names[each], types[each]);
		if (count) {
			give_back_later((vm_address_t) names, count * sizeof *names);
			give_back_later((vm_address_t) types, type_count * sizeof *types);
		}
	}
	for (each = 0; each < seen_count; each++) {
		mach_msg_type_name_t form;

		if (seen[each].right.type & MACH_PORT_TYPE_SEND)
			mach_port_extract_right(agents[agent_of[seen[each].task]].task, seen[each].name, MACH_MSG_TYPE_COPY_SEND, &seen[each].held, &form);
	}
}

static void look_away(void)
{
	uint32_t each;

	for (each = 0; each < seen_count; each++)
		if (seen[each].held)
			mach_port_deallocate(mach_task_self(), seen[each].held);
}

/* What is seen of an expected right. A name that no call told of is the first new one with such a right. */
static struct seen *find(const struct right *right)
{
	uint32_t each;

	for (each = 0; each < seen_count; each++)
		if (seen[each].task == right->task && !seen[each].listed && (*right->name ? seen[each].name == *right->name : right->type == seen[each].right.type))
			return &seen[each];
	return 0;
}

static void expect_right(const struct right *right, mach_port_t *port_of)
{
	static const char *const parts[] = {", sequence number", ", make-send count", ", queue limit", ", messages", ", send-once rights", ", send rights",
	                                    ", port-destroyed request", ", no-senders request"};
	struct seen *found = find(right);
	uint32_t each;

	if (!found) {
		differs(right->words, ", in its space", 1, 0);
		return;
	}
	found->listed = 1;
	*right->name = found->name;
	same(right->words, ", type", right->type, found->right.type);
	same(right->words, ", user references", right->references, found->right.references);
	if (right->type != found->right.type)
		return;
	if (right->type & MACH_PORT_TYPE_RECEIVE) {
		same(right->words, ", port set", right->in_set ? *right->in_set : 0, found->pset);
		for (each = 0; each < sizeof right->status / sizeof right->status[0]; each++)
			same(right->words, parts[each], right->status[each], found->right.status[each]);
	}
	if (right->type & MACH_PORT_TYPE_SEND && right->port < PORTS) {
		if (!port_of[right->port])
			port_of[right->port] = found->held;
		same(right->words, ", which port", port_of[right->port], found->held);
	}
}

static void expect_state(const struct right *expected, uint32_t count, const struct living *tasks)
{
	static mach_port_t port_of[PORTS];
	uint32_t each, task;

	memset(port_of, 0, sizeof port_of);
	look();
	for (task = 0; task < TASKS; task++) {
		struct task_basic_info info = {0};
		mach_msg_type_number_t words = TASK_BASIC_INFO_COUNT;
		int lives = agent_of[task] != NONE && agents[agent_of[task]].state != NO_AGENT;

		same("a task", ", lives", tasks[task].lives, (uint32_t) lives);
		if (lives && tasks[task].lives && task_info(agents[agent_of[task]].task, TASK_BASIC_INFO, (task_info_t) &info, &words) == KERN_SUCCESS)
			same("a task", ", suspend count", tasks[task].suspended, (uint32_t) info.suspend_count);
	}
	for (each = 0; each < count; each++)      /* names that are known first */
		if (*expected[each].name)
			expect_right(&expected[each], port_of);
	for (each = 0; each < count; each++)
		if (!*expected[each].name)
			expect_right(&expected[each], port_of);
	for (each = 0; each < seen_count; each++)
		if (!seen[each].listed) {
			differs("another name", ", its type", 0, seen[each].right.type);
			same("another name", "", 0, seen[each].name);
		}
	for (each = 0; each < PORTS; each++)
		for (task = each + 1; port_of[each] && task < PORTS; task++)
			if (port_of[each] == port_of[task])
				differs("rights to two ports", ", ports", 2, 1);
	look_away();
}

/* ---- An agent's side: it gets the variables with its orders, and tells what the call gave. ---- */

static struct {
	struct mailbox mailbox;
	char rest[PAGE - sizeof(struct mailbox)];
} the_mailbox __attribute__((aligned(PAGE)));
static char stack[4 * PAGE] __attribute__((aligned(PAGE)));

struct mailbox *agent_mailbox(void)
{
	return &the_mailbox.mailbox;
}

char *agent_stack_top(void)
{
	return stack + sizeof stack - 16;
}

void agent_main(void)
{
	static struct words results;
	struct mailbox *mailbox = agent_mailbox();

	use_reply_port(AGENT_REPLY_PORT);
	for (;;) {
		while (mailbox->state != ASKED)
			swtch_pri(0);
		memcpy(&got, mailbox->words.word, sizeof got);
		results.count = results.at = 0;
		mailbox->code = (uint32_t) steps[mailbox->call].call(&results);
		memcpy(&mailbox->words, &results, sizeof results);
		mailbox->state = ANSWERED;
	}
}

/* ---- The run. ---- */

static void end(const char *verdict)
{
	say("sendright: end ");
	say(verdict);
	say("\n");
	for (;;)
		swtch_pri(0);
}

static void begin_line(uint32_t number)
{
	say("sendright: step ");
	say_number(number + 1);
	say(": ");
	say(steps[number].words);
	say(":");
}

static void make(uint32_t number)
{
	const struct step *step = &steps[number];
	uint32_t agent = agent_of[step->task], code = 0, task;
	enum outcome outcome;

	failed = 0;
	answer.at = 0;
	answer.count = sizeof got / sizeof(uint32_t);
	memcpy(answer.word, &got, sizeof got);
	outcome = agent == NONE || agents[agent].state != READY ? GONE : make_call(agent, number, &answer, &code);
	if (outcome == BLOCKED || step->waits) {
		same("the call", ", waits", step->waits, outcome == BLOCKED);
		return;
	}
	if (outcome == GONE || outcome == HALTED)     /* its task ended or stopped itself: it has no answer */
		same("the call", ", has an answer", 0, (uint32_t) !step->no_answer);
	else {
		same("the code", "", step->code, code);
		if (step->code == code && step->check)
			step->check();
		if (step->creates && code == KERN_SUCCESS && adopt(agent, answer.word[0], &agent_of[step->creates]) != KERN_SUCCESS)
			differs("the new task", ", can be used", 1, 0);
	}
	forget_the_dead();
	for (task = 0; task < TASKS; task++)
		if (agent_of[task] != NONE && agents[agent_of[task]].state == NO_AGENT)
			agent_of[task] = NONE;
	step->state();
}

/* GNU Mach's boot script gives the names of the rights to the privileged host port and the master device port as arguments. */
void driver_main(int *arguments)
{
	const char **argument = (const char **) (arguments + 1);
	mach_port_t host_priv = 0, device_master = 0;
	uint32_t number, each;

	use_reply_port(mach_reply_port());
	for (const char *at = argument[1]; *at; at++)
		host_priv = host_priv * 10 + (mach_port_t) (*at - '0');
	for (const char *at = argument[2]; *at; at++)
		device_master = device_master * 10 + (mach_port_t) (*at - '0');
	for (each = 0; each < TASKS; each++)
		agent_of[each] = NONE;
	agent_of[0] = 0;
	say("\nsendright: begin\n");
	if (first_agent(host_priv, device_master) != KERN_SUCCESS)
		end("ERROR: no first task");
	for (number = 0; number < STEPS; number++) {
		begin_line(number);
		if (steps[number].why_not) {
			say(" NOT EXPRESSED: ");
			say(steps[number].why_not);
			say("\n");
			end("UNDETERMINED");
		}
		make(number);
		say(failed ? "\n" : " PASS\n");
		if (failed)
			end("FAIL");
	}
	end("PASS");
}

