/* isa.c - which instructions the CPU has beyond the baseline. Asked once, at start, by checksum.c and rss.c
 *
 * One build runs everywhere: the few loops that gain from more than x86-64-v2 have a second version, chosen at run time.
 * VNIC_ISA=generic chooses the portable ones, so that both are tested on one machine.
 */
#include "prelude.h"

static bool is_forced_generic(void)
{
	const char *want = getenv("VNIC_ISA");

	return want && strcmp(want, "generic") == 0;
}

int isa_has_avx2(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	return !is_forced_generic() && __builtin_cpu_supports("avx2");
#else
	return 0;
#endif
}

int isa_has_pclmul(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	return !is_forced_generic() && __builtin_cpu_supports("pclmul");
#else
	return 0;
#endif
}

const char *vnic_isa(void)
{
	if (isa_has_avx2())
		return isa_has_pclmul() ? "avx2+pclmul" : "avx2";
	return isa_has_pclmul() ? "pclmul" : "generic";
}
