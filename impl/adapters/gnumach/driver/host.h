/* How the host speaks to the driver: lines, in memory that both see, as every byte of a serial port takes the emulator microseconds. The serial
   port is the bell: the host hears from it that an answer is there. Neither needs ports of the kernel's while calls are made. */
#pragma once
#include <stdint.h>
#include <mach/mach_types.h>

/* Get hold of the serial port and of memory, and tell the host where that is. */
kern_return_t open_host(mach_port_t host_priv, mach_port_t device_master);

/* The next line, without its end; what doesn't fit is left out. */
uint32_t read_line(char *line, uint32_t room);

/* A line is put together with these, and then given to the host with the sum of its bytes behind it, so that it knows that it is whole. */
void put_letter(char letter);
void put_number(uint32_t number);
void put_text(const char *text);
void write_line(void);
