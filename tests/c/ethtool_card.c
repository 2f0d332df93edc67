/* ethtool_card.c - a card for the real ethtool: preloaded, it answers the ioctls that virtual devices of Linux refuse
 *
 * So what -x -X -n -N -Q print, and what they ask of a driver, can be compared with vnic's (test_ethtool_real.py). The card
 * is in the environment: ETHTOOL_QUEUES, ETHTOOL_KEY_SIZE; ETHTOOL_STATE names the file that it is kept in, as struct card.
 * A set is judged as the kernel does it, where it does: a table has queues that there are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define QUEUES_MAX 16
#define RULES 128
#define TABLE_SIZE 128
#define ADDRESSES (RXH_IP_SRC | RXH_IP_DST)
#define FIELDS (ADDRESSES | RXH_L4_B_0_1 | RXH_L4_B_2_3)

struct card {
	uint32_t table[TABLE_SIZE];
	uint8_t key[256];
	uint32_t fields[16]; /* by TCP_V4_FLOW .. */
	struct {
		uint32_t usecs, frames, adaptive;
	} queue[QUEUES_MAX];
	uint32_t used[RULES];
	struct ethtool_rx_flow_spec rule[RULES];
};

static uint32_t number(const char *name)
{
	const char *text = getenv(name);

	return text ? (uint32_t)strtoul(text, NULL, 0) : 0;
}

static void state(struct card *c, int store)
{
	int fd = open(getenv("ETHTOOL_STATE"), store ? O_WRONLY : O_RDONLY);

	if ((store ? write(fd, c, sizeof(*c)) : read(fd, c, sizeof(*c))) != sizeof(*c))
		abort();
	close(fd);
}

static int get_rxfh(const struct card *c, struct ethtool_rxfh *r)
{
	uint32_t key_size = number("ETHTOOL_KEY_SIZE");

	if (r->rss_context)
		return EOPNOTSUPP;
	if (r->indir_size)
		memcpy(r->rss_config, c->table, sizeof(c->table));
	if (r->key_size)
		memcpy(r->rss_config + r->indir_size, c->key, key_size);
	r->indir_size = TABLE_SIZE;
	r->key_size = key_size;
	r->hfunc = 1;
	return 0;
}

static int set_rxfh(struct card *c, const struct ethtool_rxfh *r)
{
	uint32_t queues = number("ETHTOOL_QUEUES"), entries = r->indir_size == TABLE_SIZE ? TABLE_SIZE : 0;

	if (r->rss_context || r->hfunc > 1)
		return EOPNOTSUPP;
	for (uint32_t i = 0; i < entries; i++)
		if (r->rss_config[i] >= queues)
			return EINVAL;
	for (uint32_t i = 0; i < TABLE_SIZE; i++)
		if (entries)
			c->table[i] = r->rss_config[i];
		else if (r->indir_size == 0)
			c->table[i] = i % queues;
	if (r->key_size) {
		memset(c->key, 0, sizeof(c->key));
		memcpy(c->key, r->rss_config + entries, r->key_size);
	}
	return 0;
}

static int fields(struct card *c, struct ethtool_rxnfc *n, int set)
{
	uint32_t type = n->flow_type;
	int has_ports = type == TCP_V4_FLOW || type == UDP_V4_FLOW || type == TCP_V6_FLOW || type == UDP_V6_FLOW;

	if (type >= 16)
		return EINVAL; /* Ethernet, or with FLOW_RSS: a context */
	if (!set)
		n->data = has_ports ? c->fields[type] : ADDRESSES;
	else if (has_ports ? !n->data || n->data & ~(uint64_t)FIELDS : n->data != ADDRESSES)
		return EINVAL;
	else if (has_ports)
		c->fields[type] = (uint32_t)n->data;
	return 0;
}

/* rx-usecs and rx-frames are a queue's; adaptive-rx is the card's; it has no more */
static int per_queue(struct card *c, struct ethtool_per_queue_op *p)
{
	struct ethtool_coalesce *at = (void *)p->data;

	for (uint32_t i = 0; i < 32; i++) {
		if (!(p->queue_mask[0] >> i & 1))
			continue;
		if (i >= number("ETHTOOL_QUEUES"))
			return EINVAL;
		if (p->sub_command == ETHTOOL_GCOALESCE) {
			*at = (struct ethtool_coalesce){ .cmd = ETHTOOL_GCOALESCE,
							 .rx_coalesce_usecs = c->queue[i].usecs,
							 .rx_max_coalesced_frames = c->queue[i].frames,
							 .use_adaptive_rx_coalesce = c->queue[i].adaptive };
		} else {
			if (at->use_adaptive_rx_coalesce != c->queue[i].adaptive || at->tx_coalesce_usecs)
				return EOPNOTSUPP;
			if (!at->rx_coalesce_usecs && !at->rx_max_coalesced_frames)
				return EINVAL;
			c->queue[i].usecs = at->rx_coalesce_usecs;
			c->queue[i].frames = at->rx_max_coalesced_frames;
		}
		at++;
	}
	return 0;
}

/* ---- rules: a queue that there is, or away with it; nothing that a card would not look into ---- */

static int judge(const struct ethtool_rx_flow_spec *fs)
{
	uint32_t type = fs->flow_type & ~(FLOW_EXT | FLOW_MAC_EXT);

	if (fs->flow_type & FLOW_RSS || type == AH_V4_FLOW || type == AH_V6_FLOW)
		return EINVAL;
	if (fs->flow_type & FLOW_EXT && (fs->m_ext.data[0] | fs->m_ext.data[1]))
		return EINVAL;
	if (fs->location >= RULES ||
	    (fs->ring_cookie != RX_CLS_FLOW_DISC && fs->ring_cookie >= number("ETHTOOL_QUEUES")))
		return EINVAL;
	return 0;
}

static int rules(struct card *c, struct ethtool_rxnfc *n)
{
	uint32_t at = n->fs.location, found = 0;

	switch (n->cmd) {
	case ETHTOOL_SRXCLSRLINS:
		if (judge(&n->fs))
			return EINVAL;
		c->used[at] = 1;
		c->rule[at] = n->fs;
		return 0;
	case ETHTOOL_SRXCLSRLDEL:
	case ETHTOOL_GRXCLSRULE:
		if (at >= RULES || !c->used[at])
			return EINVAL;
		if (n->cmd == ETHTOOL_SRXCLSRLDEL)
			c->used[at] = 0;
		else
			n->fs = c->rule[at];
		return 0;
	default:
		for (uint32_t i = 0; i < RULES; i++) {
			if (c->used[i] && n->cmd == ETHTOOL_GRXCLSRLALL)
				n->rule_locs[found] = i;
			found += c->used[i];
		}
		n->rule_cnt = found;
		n->data = n->cmd == ETHTOOL_GRXCLSRLALL ? RULES : 0;
		return 0;
	}
}

static int strings(struct ethtool_gstrings *s)
{
	static const char names[3][ETH_GSTRING_LEN] = { "toeplitz", "xor", "crc32" };

	s->len = 3;
	memcpy(s->data, names, sizeof(names));
	return 0;
}

/* Return: an errno, 0, or -1: not the card's */
static int answer(struct card *c, uint32_t *cmd)
{
	struct ethtool_rxnfc *nfc = (void *)cmd;

	switch (*cmd) {
	case ETHTOOL_GRXRINGS:
		nfc->data = number("ETHTOOL_QUEUES");
		return 0;
	case ETHTOOL_GRXCLSRLCNT:
	case ETHTOOL_GRXCLSRLALL:
	case ETHTOOL_GRXCLSRULE:
	case ETHTOOL_SRXCLSRLINS:
	case ETHTOOL_SRXCLSRLDEL:
		return rules(c, nfc);
	case ETHTOOL_GRSSH:
		return get_rxfh(c, (void *)cmd);
	case ETHTOOL_SRSSH:
		return set_rxfh(c, (void *)cmd);
	case ETHTOOL_GRXFH:
	case ETHTOOL_SRXFH:
		return fields(c, nfc, *cmd == ETHTOOL_SRXFH);
	case ETHTOOL_PERQUEUE:
		return per_queue(c, (void *)cmd);
	case ETHTOOL_GCHANNELS: {
		struct ethtool_channels *ch = (void *)cmd;

		*ch = (struct ethtool_channels){ .cmd = *cmd, .max_rx = QUEUES_MAX, .max_tx = 1, .tx_count = 1 };
		ch->rx_count = number("ETHTOOL_QUEUES");
		return 0;
	}
	case ETHTOOL_GSSET_INFO: {
		struct ethtool_sset_info *s = (void *)cmd;

		if (s->sset_mask != 1ull << ETH_SS_RSS_HASH_FUNCS)
			return -1;
		s->data[0] = 3;
		return 0;
	}
	case ETHTOOL_GSTRINGS:
		return ((struct ethtool_gstrings *)cmd)->string_set == ETH_SS_RSS_HASH_FUNCS ? strings((void *)cmd)
											     : -1;
	default:
		return -1;
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*next)(int, unsigned long, void *);
	struct card c;
	va_list args;
	void *arg;
	int rc;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	*(void **)&next = dlsym(RTLD_NEXT, "ioctl");
	if (request != SIOCETHTOOL || strcmp(((struct ifreq *)arg)->ifr_name, getenv("ETHTOOL_DEVICE")))
		return next(fd, request, arg);
	state(&c, 0);
	rc = answer(&c, (void *)((struct ifreq *)arg)->ifr_data);
	if (rc < 0)
		return next(fd, request, arg);
	if (rc == 0)
		state(&c, 1);
	errno = rc;
	return rc ? -1 : 0;
}
