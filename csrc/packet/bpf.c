/* bpf.c - a packet socket's filter: the classic BPF machine (McCanne and Jacobson 1993) of SO_ATTACH_FILTER.
 * Linux: net/core/filter.c, Documentation/networking/filter.rst
 *
 *   vnic/bpf.py: libpcap's compiler, or a given program -> bpf_prog_new(): bpf_check(), once
 *   packet_taps.c -> af_packet.c packet_rcv() -> bpf_run(): bytes of the packet to keep, 0: not wanted
 *
 * Two registers of 32 bits, 16 words of scratch memory, jumps only forward. A checked program ends, reads no scratch
 * word that it did not write, and divides by no constant 0. Run time checks the rest: a load behind the packet's end,
 * or a division by an X of 0, ends the program with 0. Offsets count from the Ethernet header, over all pieces of the
 * packet.
 *
 * Here a VLAN tag is no longer in the bytes (netif_receive_skb.c); as in the kernel, programs read it by extensions.
 * libpcap compiles expressions for frames as they are in a file: for those programs the tag is put back (tag_in_bytes).
 */
#include "prelude.h"

/* Instruction classes, sizes, modes, sources: as in linux/bpf_common.h. */
enum { LD, LDX, ST, STX, ALU, JMP, RET, MISC };
enum { W = 0x00, H = 0x08, B = 0x10 };
enum { IMM = 0x00, ABS = 0x20, IND = 0x40, MEM = 0x60, LEN = 0x80, MSH = 0xa0 };
enum { ADD = 0x00, SUB = 0x10, MUL = 0x20, DIV = 0x30, OR = 0x40, AND = 0x50, LSH = 0x60, RSH = 0x70, NEG = 0x80 };
enum { MOD = 0x90, XOR = 0xa0, JA = 0x00, JEQ = 0x10, JGT = 0x20, JGE = 0x30, JSET = 0x40 };
enum { K = 0x00, X = 0x08, A = 0x10, TAX = 0x00, TXA = 0x80 };

/* Offsets with a special meaning: linux/filter.h */
#define LL_OFF 0xffe00000u /* from the Ethernet header */
#define NET_OFF 0xfff00000u /* from the network header */
#define AD_OFF 0xfffff000u /* extensions, not in the bytes: */
enum extension { PROTOCOL = 0, PKTTYPE = 4, IFINDEX = 8, NLATTR = 12, NLATTR_NEST = 16, MARK = 20, QUEUE = 24 };
enum { HATYPE = 28, RXHASH = 32, CPU = 36, ALU_XOR_X = 40, VLAN_TAG = 44, VLAN_TAG_PRESENT = 48, PAY_OFFSET = 52 };
enum { RANDOM = 56, VLAN_TPID = 60, EXTENSIONS = 64 };
#define EXTENSION 0x8000 /* code of an instruction that loads one: or-ed with its number */

/* ---- the check ---- */

static const char *check_alu(const struct bpf_insn *f)
{
	u32 op = f->code & 0xf0;

	if (op > XOR || f->code & 0xff00 || (op == NEG && f->code & X))
		return "no such instruction";
	if (f->code & X || op == NEG)
		return NULL;
	if ((op == DIV || op == MOD) && f->k == 0)
		return "divides by 0";
	if ((op == LSH || op == RSH) && f->k > 31)
		return "shifts by more than 31 bits";
	return NULL;
}

static const char *check_jump(const struct bpf_insn *f, u32 left)
{
	u32 op = f->code & 0xf0;

	if (op > JSET || f->code & 0xff00 || (op == JA && f->code & X))
		return "no such instruction";
	if (op == JA ? f->k >= left : f->jt >= left || f->jf >= left)
		return "jumps behind the program's end";
	return NULL;
}

static const char *check_abs(const struct bpf_insn *f)
{
	if (f->k < AD_OFF)
		return NULL;
	switch (f->k - AD_OFF) {
	case NLATTR:
	case NLATTR_NEST:
	case PAY_OFFSET:
	case RANDOM:
		return "this extension of Linux's is not there";
	default:
		return (f->k - AD_OFF) % 4 || f->k - AD_OFF >= EXTENSIONS ? "no such extension" : NULL;
	}
}

static const char *check_insn(const struct bpf_insn *f, u32 left)
{
	switch (f->code) {
	case LD | W | ABS:
	case LD | H | ABS:
	case LD | B | ABS:
		return check_abs(f);
	case LD | MEM:
	case LDX | MEM:
	case ST:
	case STX:
		return f->k < BPF_MEMWORDS ? NULL : "there are 16 words of scratch memory";
	case LD | W | IND:
	case LD | H | IND:
	case LD | B | IND:
	case LD | W | LEN:
	case LD | IMM:
	case LDX | W | LEN:
	case LDX | B | MSH:
	case LDX | IMM:
	case RET | K:
	case RET | A:
	case MISC | TAX:
	case MISC | TXA:
		return NULL;
	}
	if ((f->code & 7) == ALU)
		return check_alu(f);
	if ((f->code & 7) == JMP)
		return check_jump(f, left);
	return "no such instruction";
}

/* Check that every path writes a scratch word before it reads it. valid: words written on all paths to an instruction;
 * written[i]: on all jumps to i. No path falls through a jump. Behind a RET Linux goes on as if it fell through; so
 * does this. */
static const char *check_memory(const struct bpf_insn *insn, u32 len, u16 *written, u32 *at)
{
	u16 valid = 0;

	memset(written, 0xff, len * sizeof(*written));
	for (u32 i = 0; i < len; i++) {
		const struct bpf_insn *f = &insn[i];
		u32 code = f->code;

		valid &= written[i];
		if (code == ST || code == STX) {
			valid |= (u16)(1u << f->k);
		} else if (code == (LD | MEM) || code == (LDX | MEM)) {
			*at = i;
			if (!(valid >> f->k & 1))
				return "reads scratch memory that was not written";
		} else if ((code & 7) == JMP) {
			u32 jt = code == (JMP | JA) ? f->k : f->jt, jf = code == (JMP | JA) ? f->k : f->jf;

			written[i + 1 + jt] &= valid;
			written[i + 1 + jf] &= valid;
			valid = 0xffff;
		}
	}
	return NULL;
}

const char *bpf_check(const struct bpf_insn *insn, u32 len, u32 *at)
{
	u16 written[BPF_MAXINSNS];

	*at = 0;
	if (len == 0 || len > BPF_MAXINSNS)
		return "a program has 1 to 4096 instructions";
	for (u32 i = 0; i < len; i++) {
		const char *error = check_insn(&insn[i], len - 1 - i);

		*at = i;
		if (error)
			return error;
	}
	if ((insn[len - 1].code & 7) != RET)
		return "the last instruction has to be a RET";
	return check_memory(insn, len, written, at);
}

struct bpf_prog *bpf_prog_new(const struct bpf_insn *insn, u32 len, int tag_in_bytes)
{
	struct bpf_prog *p;
	u32 at;

	if (bpf_check(insn, len, &at))
		return NULL;
	p = malloc(sizeof(*p) + len * sizeof(*insn));
	if (!p)
		return NULL;
	p->len = len;
	p->tag_in_bytes = (u8) !!tag_in_bytes;
	memcpy(p->insn, insn, len * sizeof(*insn));
	for (u32 i = 0; i < len; i++)
		if ((insn[i].code & ~0x18) == (LD | ABS) && insn[i].k >= AD_OFF)
			p->insn[i].code = (u16)(EXTENSION | (insn[i].k - AD_OFF));
	return p;
}

void bpf_prog_free(struct bpf_prog *p)
{
	free(p);
}

/* ---- the packet, as the program sees it ---- */

/* Its first front_len bytes lie at front; the byte at offset begin is skb->data[0]. */
struct view {
	const struct sk_buff *skb;
	const u8 *front;
	u32 front_len, begin;
	u8 tagged[ETH_HLEN + VLAN_HLEN];
};

static void view_init(struct view *v, const struct sk_buff *skb, bool tag_in_bytes)
{
	const u8 *mac = skb_mac_header(skb);

	v->skb = skb;
	v->front = mac;
	v->front_len = ETH_HLEN + skb->head_len;
	v->begin = ETH_HLEN;
	if (likely(!tag_in_bytes || !(skb->flags & SKB_TAGGED)))
		return;
	skb_tagged_header(skb, v->tagged);
	v->front = v->tagged;
	v->front_len = v->begin = sizeof(v->tagged);
}

/* Load size bytes from off on, most significant first. Return: false = the packet is not that long */
static bool load_bytes(const struct view *v, u32 off, u32 size, u32 *value)
{
	u32 sum = 0;

	if (off >= NET_OFF)
		off = off - NET_OFF + v->begin;
	else if (off >= LL_OFF)
		off -= LL_OFF;
	else if (off > INT32_MAX)
		return false;
	if (likely(off + size <= v->front_len)) {
		const u8 *p = v->front + off;

		*value = size == 4 ? be32(p) : size == 2 ? be16(p) : *p;
		return true;
	}
	for (; size; size--, off++) {
		u8 copy;
		const u8 *p = off < v->front_len ? v->front + off
						 : skb_header_pointer(v->skb, off - v->begin, 1, &copy);

		if (!p)
			return false;
		sum = sum << 8 | *p;
	}
	*value = sum;
	return true;
}

static u32 extension(const struct sk_buff *skb, enum extension what, u32 cpu, u32 a, u32 x)
{
	bool tagged = skb->flags & SKB_TAGGED;

	switch ((u32)what) {
	case PROTOCOL:
		return be16(&skb->protocol);
	case PKTTYPE:
		return skb->pkt_type;
	case IFINDEX:
		return VNIC_IFINDEX;
	case QUEUE:
		return skb->queue + 1u; /* skb->queue_mapping: 0 is "not recorded" */
	case HATYPE:
		return ARPHRD_ETHER;
	case RXHASH:
		return skb->hash;
	case CPU:
		return cpu;
	case ALU_XOR_X:
		return a ^ x;
	case VLAN_TAG:
		return tagged ? skb->vlan_tci : 0;
	case VLAN_TAG_PRESENT:
		return tagged;
	case VLAN_TPID:
		return tagged ? be16(&skb->vlan_proto) : 0;
	default: /* MARK: never set */
		return 0;
	}
}

/* ---- the machine ---- */

/* Shifts take the low 5 bits, as x86 and Linux's machine do. The caller does not divide by 0. */
static inline u32 alu(u32 code, u32 a, u32 by)
{
	switch (code & 0xf0) {
	case ADD:
		return a + by;
	case SUB:
		return a - by;
	case MUL:
		return a * by;
	case DIV:
		return a / by;
	case MOD:
		return a % by;
	case OR:
		return a | by;
	case AND:
		return a & by;
	case XOR:
		return a ^ by;
	case LSH:
		return a << (by & 31);
	case RSH:
		return a >> (by & 31);
	default:
		return -a;
	}
}

static inline bool condition(u32 code, u32 a, u32 b)
{
	switch (code & 0xf0) {
	case JEQ:
		return a == b;
	case JGT:
		return a > b;
	case JGE:
		return a >= b;
	default:
		return a & b;
	}
}

u32 bpf_run(const struct bpf_prog *prog, const struct sk_buff *skb, u32 cpu)
{
	u32 a = 0, x = 0, mem[BPF_MEMWORDS] = { 0 };
	struct view v;

	view_init(&v, skb, prog->tag_in_bytes);
	for (const struct bpf_insn *f = prog->insn;; f++) {
		u32 k = f->k, from = f->code & X ? x : k;

		switch (f->code) {
		case RET | K:
			return k;
		case RET | A:
			return a;
		case LD | W | ABS:
		case LD | H | ABS:
		case LD | B | ABS:
		case LD | W | IND:
		case LD | H | IND:
		case LD | B | IND:
			if (!load_bytes(&v, f->code & IND ? k + x : k, 4u >> (f->code >> 3 & 3), &a))
				return 0;
			continue;
		case LDX | B | MSH:
			if (!load_bytes(&v, k, 1, &x))
				return 0;
			x = (x & 15) << 2;
			continue;
		case LD | W | LEN:
			a = skb->len + v.begin;
			continue;
		case LDX | W | LEN:
			x = skb->len + v.begin;
			continue;
		case LD | IMM:
			a = k;
			continue;
		case LDX | IMM:
			x = k;
			continue;
		case LD | MEM:
			a = mem[k];
			continue;
		case LDX | MEM:
			x = mem[k];
			continue;
		case ST:
			mem[k] = a;
			continue;
		case STX:
			mem[k] = x;
			continue;
		case MISC | TAX:
			x = a;
			continue;
		case MISC | TXA:
			a = x;
			continue;
		case JMP | JA:
			f += k;
			continue;
		}
		if ((f->code & 7) == JMP) {
			f += condition(f->code, a, from) ? f->jt : f->jf;
		} else if (f->code & EXTENSION) {
			a = extension(skb, f->code & ~EXTENSION, cpu, a, x);
		} else { /* ALU */
			if (unlikely(!from && ((f->code & 0xf0) == DIV || (f->code & 0xf0) == MOD)))
				return 0;
			a = alu(f->code, a, from);
		}
	}
}

u32 bpf_run_frame(const struct bpf_prog *prog, const u8 *frame, u32 len, u32 wire_len)
{
	struct rx_pool whole = { .base = (u8 *)(uintptr_t)frame };
	struct sk_buff skb = { .pool = &whole, .data = whole.base + ETH_HLEN, .pkt_type = PACKET_HOST };

	if (len < ETH_HLEN)
		return 0;
	skb.head_len = len - ETH_HLEN;
	skb.len = max_u32(len, wire_len) - ETH_HLEN;
	skb.protocol = load16(frame + ETHH_PROTO);
	return bpf_run(prog, &skb, 0);
}
