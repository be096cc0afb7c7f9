/* What the MIG stubs want of the C library's header of this name; system.c has it. */
#pragma once
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
