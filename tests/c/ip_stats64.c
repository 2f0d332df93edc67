/* ip_stats64.c - give iproute2 other numbers than the kernel's, to see how it lays them out
 *
 * Built as a shared object and preloaded: what recvmsg() brought is looked through for links, and these are overwritten:
 *
 *   STATS64           the fields of struct rtnl_link_stats64, in order, blanks between
 *   CARRIER_CHANGES   and OPERSTATE, numbers
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

static void put(struct rtattr *a, const char *stats, const char *changes, const char *state)
{
	char *at = (char *)stats;

	switch (a->rta_type) {
	case IFLA_STATS64:
		for (size_t i = 0; i < RTA_PAYLOAD(a) / sizeof(__u64); i++)
			((__u64 *)RTA_DATA(a))[i] = strtoull(at, &at, 10);
		break;
	case IFLA_CARRIER_CHANGES:
		*(__u32 *)RTA_DATA(a) = (__u32)atoi(changes);
		break;
	case IFLA_OPERSTATE:
		*(__u8 *)RTA_DATA(a) = (__u8)atoi(state);
		break;
	}
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t (*real)(int, struct msghdr *, int) = (ssize_t (*)(int, struct msghdr *, int))dlsym(RTLD_NEXT,
												   "recvmsg");
	const char *stats = getenv("STATS64"), *changes = getenv("CARRIER_CHANGES"), *state = getenv("OPERSTATE");
	ssize_t n = real(fd, msg, flags);

	if (n <= 0 || !msg->msg_iovlen || (size_t)n > msg->msg_iov[0].iov_len || !stats || !changes || !state)
		return n;
	int left = (int)n;
	for (struct nlmsghdr *h = msg->msg_iov[0].iov_base; NLMSG_OK(h, (unsigned)left); h = NLMSG_NEXT(h, left)) {
		int rest = (int)IFLA_PAYLOAD(h);

		if (h->nlmsg_type != RTM_NEWLINK)
			continue;
		for (struct rtattr *a = IFLA_RTA((struct ifinfomsg *)NLMSG_DATA(h)); RTA_OK(a, rest);
		     a = RTA_NEXT(a, rest))
			put(a, stats, changes, state);
	}
	return n;
}
