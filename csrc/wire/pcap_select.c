/* pcap_select.c - which frames of a capture are handed out: by time, by a filter, at most so many. The others never reach the
 * wire: they have no number, no time and no fate, and are counted here
 *
 *   vnic/capture_select.py fills in struct pcap_select; pcap.c, after each frame -> pcap_selects()
 *                                                       pcap.c, before each frame -> pcap_select_ends()
 *
 * Times are those in the file (tcpdump's, editcap's view), from the first frame of the first file. The filter sees frames as
 * tcpdump would: before vnic cuts a GSO frame, and after link_to_ethernet(). A frame without bytes matches no filter.
 * The filter is a function pointer, because its machine (bpf.c) belongs to the observers.
 */
#include "device.h"

static void skip(struct pcap_wire *p, const struct frame *f, u64 *counter)
{
	if (f->slot)
		p->wire.release(&p->wire, f);
	++*counter;
	p->select->in_a_row++;
}

/* The file's first frame is read: times after it become stamps. */
static void anchor(struct pcap_select *s, u64 first_ns)
{
	if (s->relative & SELECT_FROM)
		s->from_ns = s->from_ns > UINT64_MAX - first_ns ? UINT64_MAX : s->from_ns + first_ns;
	if (s->relative & SELECT_UNTIL)
		s->until_ns = s->until_ns > UINT64_MAX - first_ns ? UINT64_MAX : s->until_ns + first_ns;
	s->relative = 0;
}

bool pcap_selects(struct pcap_wire *p, const struct frame *f)
{
	struct pcap_select *s = p->select;

	if (unlikely(s->relative))
		anchor(s, f->t_ns);
	if (f->t_ns < s->from_ns || f->t_ns >= s->until_ns) {
		skip(p, f, &s->outside);
		return false;
	}
	if (s->wants && !(f->len && s->wants(s->filter, f->data, f->len, f->wire_len))) {
		skip(p, f, &s->filtered);
		return false;
	}
	s->in_a_row = 0;
	s->taken++;
	s->picked++;
	return true;
}

int pcap_select_ends(struct pcap_wire *p)
{
	struct pcap_select *s = p->select;

	s->paused = s->taken < s->limit && s->in_a_row >= SELECT_SKIP_MAX;
	if (s->paused)
		s->in_a_row = 0;
	else if (s->taken < s->limit)
		return 0;
	else if (!s->again)
		return -ENODATA;
	p->wire.hungry = 1;
	return -EAGAIN;
}
