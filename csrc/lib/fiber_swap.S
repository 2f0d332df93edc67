/* fiber_swap.S - void fiber_swap(void **save, void *sp): store the stack pointer to *save, and go on from the stack at sp
 *
 * It saves what the ABI wants a callee to keep. The floating-point control words stay: nothing here changes them. It ends
 * with a jump, because on a new stack the CPU would predict a return wrongly, which costs about 10 ns.
 * The jump needs no landing pad (CET's notrack). The file is not marked for CET's shadow stacks, because those cannot
 * follow a switch: the linker then leaves them off.
 */
#ifdef __CET__
#include <cet.h> /* marks the file with what the compiler was asked for */
#define NOTRACK notrack
#else
#define NOTRACK
#endif
#if defined(__x86_64__)
	.text
	.p2align 4
	.globl	fiber_swap
	.hidden	fiber_swap
	.type	fiber_swap, @function
fiber_swap:
	.cfi_startproc
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	popq	%rcx
	NOTRACK jmpq *%rcx
	.cfi_endproc
	.size	fiber_swap, . - fiber_swap

	.p2align 4
	.globl	fiber_start
	.hidden	fiber_start
	.type	fiber_start, @function
fiber_start:
	.cfi_startproc
	.cfi_undefined %rip
	movq	%r15, %rdi
	xorl	%ebp, %ebp
	andq	$-16, %rsp
	callq	fiber_main
	ud2
	.cfi_endproc
	.size	fiber_start, . - fiber_start
#elif defined(__aarch64__)
	.text
	.p2align 4
	.globl	fiber_swap
	.hidden	fiber_swap
	.type	fiber_swap, %function
fiber_swap:
	.cfi_startproc
	sub	sp, sp, #160
	stp	x19, x20, [sp, #0]
	stp	x21, x22, [sp, #16]
	stp	x23, x24, [sp, #32]
	stp	x25, x26, [sp, #48]
	stp	x27, x28, [sp, #64]
	stp	x29, x30, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mov	x2, sp
	str	x2, [x0]
	mov	sp, x1
	ldp	x19, x20, [sp, #0]
	ldp	x21, x22, [sp, #16]
	ldp	x23, x24, [sp, #32]
	ldp	x25, x26, [sp, #48]
	ldp	x27, x28, [sp, #64]
	ldp	x29, x30, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	add	sp, sp, #160
	ret
	.cfi_endproc
	.size	fiber_swap, . - fiber_swap

	.p2align 4
	.globl	fiber_start
	.hidden	fiber_start
	.type	fiber_start, %function
fiber_start:
	.cfi_startproc
	.cfi_undefined x30
	mov	x0, x19
	mov	x29, xzr
	bl	fiber_main
	brk	#1
	.cfi_endproc
	.size	fiber_start, . - fiber_start
#endif
	.section .note.GNU-stack, "", %progbits
