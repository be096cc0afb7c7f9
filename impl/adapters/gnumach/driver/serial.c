#include "serial.h"
#include "mig/mach_i386.h"
#include "system.h"

#define COM2 0x2f8
#define LINE_STATUS (COM2 + 5)
#define DATA_READY 0x01
#define CAN_WRITE 0x20

#define LONGEST 16384u

static char line[LONGEST];
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

kern_return_t open_serial(mach_port_t device_master)
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

uint32_t read_line(char *into, uint32_t room)
{
	uint32_t count = 0;

	for (;;) {
		char letter;

		while (!(in8(LINE_STATUS) & DATA_READY))
			;
		letter = (char) in8(COM2);
		if (letter == '\n') {
			into[count] = 0;
			return count;
		}
		if (count + 1 < room)
			into[count++] = letter;
	}
}

void put_letter(char letter)
{
	if (length + 16 < LONGEST)
		line[length++] = letter;
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
	uint32_t sum = 0, at;

	for (at = 0; at < length; at++)
		sum += (uint8_t) line[at] * (at % 255 + 1);
	put_text(" #");
	put_number(sum & 0xffff);
	put_letter('\n');
	for (at = 0; at < length; at++) {
		while (!(in8(LINE_STATUS) & CAN_WRITE))
			;
		out8(COM2, (uint8_t) line[at]);
	}
	length = 0;
}
