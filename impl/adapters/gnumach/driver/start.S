/* The entry of the driver's task, and the traps of Mach that it and its agents use (mach/syscall_sw.h has the numbers). */
#define TRAP(name, number) .globl name; name: movl $number, %eax; lcall $7, $0; ret

.text
.globl _start
_start:
	xorl %ebp, %ebp
	movl %esp, %eax          /* argc, and behind it argv */
	andl $-16, %esp
	subl $12, %esp
	pushl %eax
	call driver_main
1:	jmp 1b

TRAP(mach_msg, -25)
TRAP(mach_msg_trap, -25)
TRAP(mach_reply_port, -26)
TRAP(mach_task_self, -28)
TRAP(mach_host_self, -29)
TRAP(mach_print, -30)
TRAP(swtch_pri, -59)
TRAP(syscall_vm_deallocate, -66)
TRAP(syscall_mach_port_deallocate, -73)

.section .note.GNU-stack, "", @progbits
