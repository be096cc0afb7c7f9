/* What the MIG stubs call; system.c has it. */
#pragma once
#include <mach/mach_types.h>
#include <mach/message.h>
#include <string.h>

mach_port_t mig_get_reply_port(void);
void mig_dealloc_reply_port(mach_port_t port);
void mig_put_reply_port(mach_port_t port);
void mig_allocate(vm_offset_t *address, vm_size_t bytes);
void mig_deallocate(vm_offset_t address, vm_size_t bytes);
vm_size_t mig_strncpy(char *to, const char *from, vm_size_t bytes);
