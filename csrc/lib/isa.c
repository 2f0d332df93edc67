/* isa.c - the CPU's instructions beyond the baseline. checksum.c and rss.c ask once, at start
 *
 * One build runs everywhere: the few loops that gain from more than x86-64-v2 have further versions, chosen at run time.
 * VNIC_ISA=generic forces the portable ones, VNIC_ISA=avx2 those without AVX-512 and GFNI, so one machine tests all.
 */
#include "device.h"

#if defined(__x86_64__)
enum { ISA_GENERIC, ISA_AVX2, ISA_AVX512 };

static int wanted(void)
{
	const char *want = getenv("VNIC_ISA");

	if (want && strcmp(want, "generic") == 0)
		return ISA_GENERIC;
	return want && strcmp(want, "avx2") == 0 ? ISA_AVX2 : ISA_AVX512;
}

/* A macro: gcc wants the name as a literal. */
#define HAS(level, feature) (__builtin_cpu_init(), wanted() >= (level) && __builtin_cpu_supports(feature))
#else
#define HAS(level, feature) 0
#endif

int isa_has_avx2(void)
{
	return HAS(ISA_AVX2, "avx2");
}

int isa_has_pclmul(void)
{
	return HAS(ISA_AVX2, "pclmul");
}

int isa_has_avx512(void)
{
	return HAS(ISA_AVX512, "avx512f") && HAS(ISA_AVX512, "avx512bw") && HAS(ISA_AVX512, "avx512vl");
}

int isa_has_gfni(void)
{
	return isa_has_avx512() && HAS(ISA_AVX512, "gfni") && HAS(ISA_AVX512, "avx512vbmi");
}

const char *vnic_isa(void)
{
	if (isa_has_avx512())
		return isa_has_gfni() ? "avx512+gfni" : "avx512+pclmul";
	if (isa_has_avx2())
		return isa_has_pclmul() ? "avx2+pclmul" : "avx2";
	return isa_has_pclmul() ? "pclmul" : "generic";
}
