/* Calls on memory. Pages of the model lie at MODEL_MEMORY, which nothing else uses; what they contain is their first word. */
#include "calls.h"
#include "routines.h"
#include "system.h"
#include "mig/mach.h"

#define MODEL_MEMORY 0x20000000u

static vm_address_t address_of(uint32_t page)
{
	return MODEL_MEMORY + page * PAGE;
}

static uint32_t page_at(vm_address_t address)
{
	return (address - MODEL_MEMORY) / PAGE;
}

static kern_return_t allocate(struct words *in, struct words *out)
{
	mach_port_t task = take(in);
	vm_address_t address = address_of(take(in));
	kern_return_t code = vm_allocate(task, &address, PAGE, (boolean_t) take(in));

	give(out, page_at(address));
	return code;
}

static kern_return_t deallocate(struct words *in, struct words *out)
{
	mach_port_t task = take(in);

	(void) out;
	return vm_deallocate(task, address_of(take(in)), PAGE);
}

static kern_return_t inherit(struct words *in, struct words *out)
{
	mach_port_t task = take(in);
	vm_address_t address = address_of(take(in));

	(void) out;
	return vm_inherit(task, address, PAGE, (vm_inherit_t) take(in));
}

static kern_return_t read(struct words *in, struct words *out)
{
	mach_port_t task = take(in);
	vm_offset_t found = 0;
	mach_msg_type_number_t bytes = 0;
	kern_return_t code = vm_read(task, address_of(take(in)), PAGE, &found, &bytes);

	if (code != KERN_SUCCESS)
		return code;
	give(out, *(uint32_t *) found);
	return code;
}

static kern_return_t write(struct words *in, struct words *out)
{
	static uint32_t content[PAGE / sizeof(uint32_t)] __attribute__((aligned(PAGE)));
	mach_port_t task = take(in);
	vm_address_t address = address_of(take(in));

	(void) out;
	content[0] = take(in);
	return vm_write(task, address, (vm_offset_t) content, PAGE);
}

static kern_return_t copy(struct words *in, struct words *out)
{
	mach_port_t task = take(in);
	vm_address_t source = address_of(take(in));

	(void) out;
	return vm_copy(task, source, PAGE, address_of(take(in)));
}

void add_memory_calls(routine table[])
{
	table[CALL_vm_allocate] = allocate;
	table[CALL_vm_deallocate] = deallocate;
	table[CALL_vm_inherit] = inherit;
	table[CALL_vm_read] = read;
	table[CALL_vm_write] = write;
	table[CALL_vm_copy] = copy;
}
