// The pseudo-call syz_mach_trap for syzkaller's executor (executor/common_bsd.h): a Mach trap of XNU on x86-64.
// A trap has the class 1 in the upper byte of its number, where BSD's calls have 2 (osfmk/mach/i386/syscall_sw.h).
// Not run in sendright's tests, which have no macOS.

#if SYZ_EXECUTOR || __NR_syz_mach_trap
#define MACH_TRAP_CLASS 0x1000000

static long syz_mach_trap(volatile long nr, volatile long a1, volatile long a2, volatile long a3, volatile long a4,
			  volatile long a5, volatile long a6, volatile long a7)
{
	register long r10 asm("r10") = a4;
	register long r8 asm("r8") = a5;
	register long r9 asm("r9") = a6;
	long result;

	// The seventh argument is on the stack, behind a place for the return address.
	asm volatile("pushq %[a7]\n\tpushq $0\n\tsyscall\n\taddq $16, %%rsp"
		     : "=a"(result)
		     : "a"(MACH_TRAP_CLASS | nr), "D"(a1), "S"(a2), "d"(a3), "r"(r10), "r"(r8), "r"(r9), [a7] "r"(a7)
		     : "rcx", "r11", "memory", "cc");
	return result;
}
#endif
