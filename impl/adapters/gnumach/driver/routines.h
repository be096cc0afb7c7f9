/* The calls that an agent can make: one routine for each that there is in this kernel, under its number in the signature table. */
#pragma once
#include "words.h"
#include <mach/mach_types.h>

typedef kern_return_t (*routine)(struct words *in, struct words *out);

void add_port_calls(routine table[]);
void add_task_calls(routine table[]);
void add_memory_calls(routine table[]);
void add_message_calls(routine table[]);
void add_debug_calls(routine table[]);
