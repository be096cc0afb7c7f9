#include "host.h"
#include "system.h"
#include "mig/gnumach.h"
#include "mig/mach.h"
#include "mig/mach_i386.h"

/* The second serial port. */
#define COM2 0x2f8
#define LINE_STATUS (COM2 + 5)
#define CAN_WRITE 0x20

/* Room for a line and the sum behind it. */
#define SHARED_BYTES 32768u
#define LONGEST (SHARED_BYTES - 64u)

/* The memory that the host sees, too. */
static struct {
	volatile uint32_t asked;        /* the host has left a line here: so many bytes, and 1 */
	volatile uint32_t answered;     /* the bytes of the answer that is here */
	char text[];
} *shared;
static uint32_t length;

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void ring(const char *text, uint32_t bytes)
{
	uint32_t at;

	for (at = 0; at < bytes; at++) {
		while (!(in8(LINE_STATUS) & CAN_WRITE))
			;
		out8(COM2, (uint8_t) text[at]);
	}
}

static kern_return_t open_serial(mach_port_t device_master)
{
	mach_port_t registers;
	kern_return_t code = i386_io_perm_create(device_master, COM2, COM2 + 7, &registers);

	if (code == KERN_SUCCESS)
		code = i386_io_perm_modify(mach_task_self(), registers, TRUE);
	if (code != KERN_SUCCESS)
		return code;
	out8(COM2 + 1, 0);      /* no interrupts */
	out8(COM2 + 3, 0x83);   /* 115200 baud, 8 bits */
	out8(COM2, 1);
	out8(COM2 + 1, 0);
	out8(COM2 + 3, 3);
	out8(COM2 + 2, 7);      /* queues on, and empty */
	return code;
}

static void finish_line(void)
{
	uint32_t sum = 0, at;

	for (at = 0; at < length; at++)
		sum += (uint8_t) shared->text[at] * (at % 255 + 1);
	put_text(" #");
	put_number(sum & 0xffff);
	shared->answered = length;
	length = 0;
}

kern_return_t open_host(mach_port_t host_priv, mach_port_t device_master)
{
	rpc_phys_addr_t where = 0;
	kern_return_t code = open_serial(device_master);

	if (code == KERN_SUCCESS)
		code = vm_allocate_contiguous(host_priv, mach_task_self(), (vm_address_t *) &shared, &where, SHARED_BYTES, 0, 0x1000000, PAGE);
	if (code != KERN_SUCCESS)
		return code;
	vm_inherit(mach_task_self(), (vm_address_t) shared, SHARED_BYTES, VM_INHERIT_NONE);
	shared->asked = 0;
	put_text("ready");
	put_number((uint32_t) where);
	finish_line();
	ring(shared->text, shared->answered);
	ring("\n", 1);
	return code;
}

uint32_t read_line(char *line, uint32_t room)
{
	uint32_t count;

	while (!shared->asked)
		;
	count = shared->asked - 1 < room ? shared->asked - 1 : room - 1;
	memcpy(line, shared->text, count);
	line[count] = 0;
	shared->asked = 0;
	return count;
}

void put_letter(char letter)
{
	if (length < LONGEST)
		shared->text[length++] = letter;
}

/* Hexadecimal, with a space before it. */
void put_number(uint32_t number)
{
	int shift = 28;

	put_letter(' ');
	while (shift && !(number >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_letter("0123456789abcdef"[number >> shift & 15]);
}

void put_text(const char *text)
{
	while (*text)
		put_letter(*text++);
}

void write_line(void)
{
	finish_line();
	ring("\n", 1);
}
