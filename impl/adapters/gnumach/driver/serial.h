/* The second serial port, by which the host speaks to the driver: polled from user space, so that it needs no ports of the kernel's. */
#pragma once
#include <stdint.h>
#include <mach/mach_types.h>

/* Ask the kernel for the right to use the port's registers. */
kern_return_t open_serial(mach_port_t device_master);

/* The next line, without its end; what doesn't fit is left out. */
uint32_t read_line(char *line, uint32_t room);

/* A line is put together with these, and then written with the sum of its bytes behind it, so that the host knows it is whole. */
void put_letter(char letter);
void put_number(uint32_t number);
void put_text(const char *text);
void write_line(void);
