/* fiber.h - a stack of one's own: code that stops in the middle, while other code runs on the same thread
 *
 * An emulated CPU in virtual time runs on a fiber (machine/vtime.c). So its code is a plain sequence of calls, as Linux's
 * is, and nothing in it has to know where the CPU may be stopped. A fiber belongs to no thread: any thread may resume it,
 * one at a time. So code on a fiber keeps no pointer to thread-local data across a switch.
 */
#ifndef VNIC_LIB_FIBER_H
#define VNIC_LIB_FIBER_H

struct fiber;

/**
 * fiber_new() - make a fiber, which calls @run(@arg) when it is first switched to; @run must not return
 * @run: NULL: the fiber stands for the stack of the thread that switches from it
 * Return: NULL: no memory
 */
struct fiber *fiber_new(void (*run)(void *arg), void *arg);

/** fiber_free() - free a fiber that does not run, wherever it has stopped; NULL is allowed */
void fiber_free(struct fiber *f);

/** fiber_switch() - stop the fiber @from, which runs, and go on with @to. Return: when another fiber switches to @from */
void fiber_switch(struct fiber *from, struct fiber *to);

#endif
