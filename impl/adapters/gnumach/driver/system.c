#include "system.h"
#include "mig/mach.h"

void *memcpy(void *to, const void *from, size_t bytes)
{
	void *start = to;
	size_t words = bytes / 4;

	bytes %= 4;
	__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
	return start;
}

void *memset(void *to, int value, size_t bytes)
{
	void *start = to;
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
	return start;
}

static mach_port_t reply_port;
static int reply_port_may_have_messages;

void use_reply_port(mach_port_t port)
{
	reply_port = port;
	reply_port_may_have_messages = 0;
}

/* A request that couldn't be sent gives up the send-once right to the reply port, which is told of it there (MACH_NOTIFY_SEND_ONCE).
   Such a message must not be taken for the next request's reply. */
static void empty_reply_port(void)
{
	static union {
		mach_msg_header_t header;
		char bytes[1024];
	} message;

	while (mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof message, reply_port, 0, MACH_PORT_NULL) == MACH_MSG_SUCCESS)
		;
	reply_port_may_have_messages = 0;
}

mach_port_t mig_get_reply_port(void)
{
	if (reply_port_may_have_messages)
		empty_reply_port();
	return reply_port;
}

/* Called by stubs whose request failed. */
void mig_dealloc_reply_port(mach_port_t port)
{
	(void) port;
	reply_port_may_have_messages = 1;
}

void mig_put_reply_port(mach_port_t port)
{
	(void) port;
}

/* Not used by the stubs of the calls that are made. */
void mig_allocate(vm_offset_t *address, vm_size_t bytes)
{
	vm_allocate(mach_task_self(), address, bytes, TRUE);
}

void mig_deallocate(vm_offset_t address, vm_size_t bytes)
{
	vm_deallocate(mach_task_self(), address, bytes);
}

vm_size_t mig_strncpy(char *to, const char *from, vm_size_t bytes)
{
	vm_size_t length = 0;

	while (length < bytes && from[length]) {
		to[length] = from[length];
		length++;
	}
	if (length < bytes)
		to[length] = 0;
	return length;
}
