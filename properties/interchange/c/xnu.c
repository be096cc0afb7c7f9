/* ---- The run, in one process: the first task of the run is the process itself. ---- */

static void say(const char *text)
{
	fputs(text, stdout);
}

/* A port of the kernel's may have had a name in this process before, with references of its own. What the run itself makes is compared whole. */
static void expect_right(const struct right *right)
{
	static const char *const parts[] = {", sequence number", ", make-send count", ", queue limit", ", messages", ", send-once rights",
	                                    ", has send rights", ", port-destroyed request", ", no-senders request"};
	static const struct {
		mach_port_type_t type;
		mach_port_right_t right;
	} counted[] = {
		{MACH_PORT_TYPE_SEND, MACH_PORT_RIGHT_SEND},
		{MACH_PORT_TYPE_SEND_ONCE, MACH_PORT_RIGHT_SEND_ONCE},
		{MACH_PORT_TYPE_DEAD_NAME, MACH_PORT_RIGHT_DEAD_NAME},
	};
	mach_port_type_t type = 0;
	mach_port_urefs_t references = 0;
	mach_port_status_t status;
	mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;
	uint32_t each;

	mach_port_type(mach_task_self(), *right->name, &type);
	if (right->of_kernel) {
		same(right->words, ", type", right->type & MACH_PORT_TYPE_ALL_RIGHTS, type & right->type & MACH_PORT_TYPE_ALL_RIGHTS);
		return;
	}
	same(right->words, ", type", right->type, type & (MACH_PORT_TYPE_ALL_RIGHTS | MACH_PORT_TYPE_DNREQUEST));
	for (each = 0; each < sizeof counted / sizeof counted[0]; each++)
		if (type & counted[each].type)
			mach_port_get_refs(mach_task_self(), *right->name, counted[each].right, &references);
	same(right->words, ", user references", right->references, references);
	if (!(right->type & type & MACH_PORT_TYPE_RECEIVE))
		return;
	if (mach_port_get_attributes(mach_task_self(), *right->name, MACH_PORT_RECEIVE_STATUS, (mach_port_info_t) &status, &count) != KERN_SUCCESS) {
		differs(right->words, ", status", 1, 0);
		return;
	}
	const uint32_t found[] = {status.mps_seqno, status.mps_mscount, status.mps_qlimit, status.mps_msgcount, status.mps_sorights,
	                          status.mps_srights != 0, status.mps_pdrequest != 0, status.mps_nsrequest != 0};
	for (each = 0; each < sizeof found / sizeof found[0]; each++)
		same(right->words, parts[each], each == 5 ? right->status[each] != 0 : right->status[each], found[each]);
}

static void expect_state(const struct right *expected, uint32_t count, const struct living *tasks)
{
	uint32_t each;

	(void) tasks;
	for (each = 0; each < count; each++)
		if (expected[each].task == 0 && *expected[each].name)
			expect_right(&expected[each]);
}

static int end(const char *verdict, int status)
{
	say("sendright: end ");
	say(verdict);
	say("\n");
	return status;
}

int main(void)
{
	uint32_t number;

	say("sendright: begin\n");
	if (get_rights_of_boot() != KERN_SUCCESS)
		return end("ERROR: a right of the boot state isn't to be had (run it as root)", 3);
	for (number = 0; number < STEPS; number++) {
		const struct step *step = &steps[number];
		kern_return_t code;

		say("sendright: step ");
		say_number(number + 1);
		say(": ");
		say(step->words);
		say(":");
		if (step->why_not) {
			say(" NOT EXPRESSED: ");
			say(step->why_not);
			say("\n");
			return end("UNDETERMINED", 4);
		}
		failed = 0;
		answer.at = answer.count = 0;
		code = step->call(&answer);
		same("the code", "", step->code, (uint32_t) code);
		if (step->code == (uint32_t) code && step->check)
			step->check();
		step->state();
		say(failed ? "\n" : " PASS\n");
		if (failed)
			return end("FAIL", 1);
	}
	return end("PASS", 0);
}
