/* The little that stands in for a C library, in the driver's task and in the agents'. */
#pragma once
#include <mach/mach_types.h>
#include <mach/message.h>
#include <mach/mig_support.h>
#include <stdint.h>

mach_port_t mach_task_self(void);
mach_port_t mach_host_self(void);
mach_port_t mach_reply_port(void);
void mach_print(const char *text);
int swtch_pri(int priority);

/* As the calls without the prefix, but traps: they take less time than messages. */
kern_return_t syscall_vm_deallocate(mach_port_t task, vm_address_t address, vm_size_t bytes);
kern_return_t syscall_mach_port_deallocate(mach_port_t task, mach_port_t name);

/* From now on the task's own requests are answered at this port, which must be empty. */
void use_reply_port(mach_port_t port);

/* An agent's reply port: a name that no modelled call is told of, and that no random call guesses. */
#define AGENT_REPLY_PORT 0x7ffe0000u

#define PAGE 4096u
