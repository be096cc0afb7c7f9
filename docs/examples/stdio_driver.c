/* An example of a program that sendright can check: `sendright check --sut "stdio:./stdio_driver"`. It speaks docs/stdio.md, and wraps a toy
   kernel: one task, whose space has receive rights, send rights to them, port sets and dead names. Build it by `cc -o stdio_driver stdio_driver.c`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the toy kernel: what names denote */

enum { NAMES = 4096, SEND = 1, RECEIVE = 2, DEAD = 5, SET = 6 };       /* kinds, as docs/stdio.md numbers them; SEND + RECEIVE is 3 */
enum { SUCCESS = 0, INVALID_NAME = 15, INVALID_RIGHT = 17, INVALID_VALUE = 18, INVALID_DEST = 0x10000003 };
enum { OWN_PORT = 1 };

static struct { int kind, urefs, port; } space[NAMES];
static int ports;
static int urefs_max = 65535;

static int known(long name) { return name > 0 && name < NAMES && space[name].kind; }

static int allocate(long right, int *name)
{
	static const int kinds[] = {0, RECEIVE, 0, SET, DEAD};

	if (right < 0 || right > 4 || !kinds[right])
		return INVALID_VALUE;
	for (*name = 1; space[*name].kind; ++*name)
		;
	space[*name].kind = kinds[right];
	space[*name].urefs = right == 4;
	space[*name].port = right == 1 ? ++ports : 0;
	return SUCCESS;
}

static int deallocate(long name)
{
	if (!known(name))
		return INVALID_NAME;
	if (space[name].kind == RECEIVE || space[name].kind == SET)
		return INVALID_RIGHT;
	if (--space[name].urefs == 0)
		space[name].kind = space[name].kind == (SEND | RECEIVE) ? RECEIVE : 0;
	return SUCCESS;
}

static int type_of(long name, long *type)
{
	static const long types[] = {0, 1 << 16, 1 << 17, 3 << 16, 1 << 18, 1 << 20, 1 << 19};

	*type = known(name) ? types[space[name].kind] : 0;
	return known(name) ? SUCCESS : INVALID_NAME;
}

static int task_self(void)      /* the task's own port: one more reference each time, but none above the limit */
{
	int name;

	for (name = 1; name < NAMES; name++)
		if (space[name].kind == SEND && space[name].port == OWN_PORT) {
			space[name].urefs += space[name].urefs < urefs_max - 1;
			return name;
		}
	for (name = 1; space[name].kind; name++)
		;
	space[name].kind = SEND, space[name].urefs = 1, space[name].port = OWN_PORT;
	return name;
}

/* ---- the protocol: one line in, one line out */

static long number(const char *line, const char *field)         /* the number behind "field": */
{
	char quoted[64];
	const char *at;

	snprintf(quoted, sizeof quoted, "\"%s\":", field);
	at = strstr(line, quoted);
	return at ? strtol(at + strlen(quoted), NULL, 10) : 0;
}

static int is(const char *line, const char *call)
{
	char quoted[64];

	snprintf(quoted, sizeof quoted, "\"call\":\"%s\"", call);
	return strstr(line, quoted) != NULL;
}

static void show(void)
{
	const char *comma = "";

	printf("{\"tasks\":{\"0\":{\"names\":{");
	for (int name = 1; name < NAMES; name++)
		if (space[name].kind) {
			printf("%s\"%d\":{\"kind\":%d,\"urefs\":%d}", comma, name, space[name].kind, space[name].urefs);
			comma = ",";
		}
	printf("}}}}\n");
}

static void call(const char *line)
{
	long task = number(line, "arguments\":{\"task"), name = number(line, "name"), right = number(line, "right"), value = 0;
	int code, made = 0;

	if (is(line, "mach_task_self")) {
		printf("{\"code\":0,\"outputs\":{\"port\":%d}}\n", task_self());
	} else if (!known(task) || space[task].kind != SEND || space[task].port != OWN_PORT) {    /* it isn't sent to the task */
		printf(known(task) && space[task].kind == SEND ? "{\"not_made\":\"only calls on the task itself\"}\n" : "{\"code\":%d}\n", INVALID_DEST);
	} else if (is(line, "mach_port_allocate")) {
		code = allocate(right, &made);
		printf(code ? "{\"code\":%d}\n" : "{\"code\":%d,\"outputs\":{\"name\":%d}}\n", code, made);
	} else if (is(line, "mach_port_deallocate")) {
		printf("{\"code\":%d}\n", deallocate(name));
	} else {
		code = type_of(name, &value);
		printf(code ? "{\"code\":%d}\n" : "{\"code\":%d,\"outputs\":{\"type\":%ld}}\n", code, value);
	}
}

int main(void)
{
	static char line[65536];

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin))
		if (strstr(line, "\"hello\""))
			printf("{\"name\":\"toy kernel\",\"protocol\":\"sendright-stdio/2\",\"capabilities\":{\"profiles\":[\"gnumach\"],\"shows\":[\"urefs\"],\"shortages\":false,"
			       "\"calls\":[\"mach_task_self\",\"mach_port_allocate\",\"mach_port_deallocate\",\"mach_port_type\"]}}\n");
		else if (strstr(line, "\"boot\"")) {
			urefs_max = (int) number(line, "urefs_max");
			memset(space, 0, sizeof space);
			for (int name = 1; name <= 2; name++)   /* what profile gnumach gives the first task: two rights to the host's ports */
				space[name].kind = SEND, space[name].urefs = 1, space[name].port = -name;
			ports = OWN_PORT;
			printf("{}\n");
		} else if (strstr(line, "\"show\""))
			show();
		else
			call(line);
	return 0;
}
