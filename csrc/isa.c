/* isa.c - which instructions the CPU has beyond the baseline. Asked once, at start, by checksum.c and rss.c
 *
 * One build runs everywhere: the few loops that gain from more than x86-64-v2 have a second version, chosen at run time.
 * VNIC_ISA=generic chooses the portable ones, VNIC_ISA=avx2 those without AVX-512 and GFNI, so that all are tested on one machine.
 */
#include "prelude.h"

enum { ISA_GENERIC, ISA_AVX2, ISA_AVX512 };

static int wanted(void)
{
	const char *want = getenv("VNIC_ISA");

	if (want && strcmp(want, "generic") == 0)
		return ISA_GENERIC;
	return want && strcmp(want, "avx2") == 0 ? ISA_AVX2 : ISA_AVX512;
}

int isa_has_avx2(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	return wanted() >= ISA_AVX2 && __builtin_cpu_supports("avx2");
#else
	return 0;
#endif
}

int isa_has_pclmul(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	return wanted() >= ISA_AVX2 && __builtin_cpu_supports("pclmul");
#else
	return 0;
#endif
}

int isa_has_avx512(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	return wanted() >= ISA_AVX512 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl");
#else
	return 0;
#endif
}

int isa_has_gfni(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	return isa_has_avx512() && __builtin_cpu_supports("gfni") && __builtin_cpu_supports("avx512vbmi");
#else
	return 0;
#endif
}

const char *vnic_isa(void)
{
	if (isa_has_avx512())
		return isa_has_gfni() ? "avx512+gfni" : "avx512+pclmul";
	if (isa_has_avx2())
		return isa_has_pclmul() ? "avx2+pclmul" : "avx2";
	return isa_has_pclmul() ? "pclmul" : "generic";
}
