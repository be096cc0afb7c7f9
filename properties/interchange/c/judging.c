/* ---- How a step is judged. ---- */

static struct words answer;             /* what the call of a step gave */
static int failed;

static void say_number(uint32_t number)
{
	char digits[12];
	char *at = digits + sizeof digits - 1;
	uint32_t left = number;

	*at = 0;
	do {
		*--at = (char) ('0' + left % 10);
		left /= 10;
	} while (left);
	say(at);
}

static void say_code(uint32_t number)
{
	if (number >> 31) {
		say("-");
		number = 0u - number;
	}
	say_number(number);
}

static void differs(const char *what, const char *part, uint32_t expected, uint32_t found)
{
	if (failed++)
		say("; ");
	else
		say(" FAIL: ");
	say(what);
	say(part);
	say(": expected ");
	say_code(expected);
	say(", seen ");
	say_code(found);
}

static void same(const char *what, const char *part, uint32_t expected, uint32_t found)
{
	if (expected != found)
		differs(what, part, expected, found);
}

static void expect(const char *what, uint32_t expected)
{
	same(what, "", expected, take(&answer));
}

static void bind(const char *what, mach_port_t *name)
{
	*name = take(&answer);
	if (*name == MACH_PORT_NULL || *name == MACH_PORT_DEAD)
		differs(what, ", a name", 1, *name);
}

static void skip(uint32_t words)
{
	while (words--)
		take(&answer);
}

static void expect_names(const char *what, const struct listed *expected, uint32_t count)
{
	uint32_t told = take(&answer), at = answer.at, each, other;

	same(what, ", how many", count, told);
	for (each = 0; each < count; each++) {
		for (other = 0; other < told && answer.word[at + other] != *expected[each].name; other++)
			;
		if (other == told)
			differs(expected[each].words, ", listed", 1, 0);
		else if (expected[each].type != ANY_TYPE)
			same(expected[each].words, ", its type", expected[each].type, answer.word[at + told + 1 + other]);
	}
	skip(count && expected[0].type != ANY_TYPE ? 2 * told + 1 : told);
}
