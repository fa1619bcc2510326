/*
 * The referee: what an outsider sees on one host. Packets of one device, stamped by the kernel, and addresses that come and go.
 *
 *   referee DEVICE RTPRIO
 *
 * Lines on standard output, times in ns of CLOCK_MONOTONIC; addresses in dotted form, payloads in hexadecimal:
 *   ready
 *   packet T in|out PROTOCOL SOURCE DESTINATION SOURCEPORT DESTINATIONPORT PAYLOAD
 *   arp T in|out OPERATION SENDER TARGET
 *   address T added|removed ADDRESS
 *   until T           everything up to then has been told
 *   lost COUNT        the kernel dropped that many packets of the capture: what follows is incomplete
 *
 * Only netlink wakes it; packets wait in the kernel and are read fifty times a second, so that a capture costs the programs under test nothing.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { read_every_ms = 20, shown_bytes = 96, frame_bytes = 512 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t read_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static unsigned u16(const unsigned char *at) { return (unsigned)at[0] << 8 | at[1]; }

static void show_frame(const unsigned char *frame, size_t size, uint64_t at_ns, const char *way) {
  char source[INET_ADDRSTRLEN], target[INET_ADDRSTRLEN];
  if (size < 14) return;
  unsigned type = u16(frame + 12);
  const unsigned char *body = frame + 14;
  if (type == ETH_P_ARP && size >= 42) {
    inet_ntop(AF_INET, body + 14, source, sizeof source);
    inet_ntop(AF_INET, body + 24, target, sizeof target);
    printf("arp %llu %s %u %s %s\n", (unsigned long long)at_ns, way, u16(body + 6), source, target);
    return;
  }
  if (type != ETH_P_IP || size < 34) return;
  size_t header = (size_t)(body[0] & 15) * 4;
  unsigned protocol = body[9], source_port = 0, target_port = 0;
  const unsigned char *payload = body + header, *end = body + u16(body + 2);
  if (end > frame + size) end = frame + size;
  if (protocol == IPPROTO_UDP && payload + 8 <= end) {
    source_port = u16(payload);
    target_port = u16(payload + 2);
    payload += 8;
  }
  inet_ntop(AF_INET, body + 12, source, sizeof source);
  inet_ntop(AF_INET, body + 16, target, sizeof target);
  printf("packet %llu %s %u %s %s %u %u ", (unsigned long long)at_ns, way, protocol, source, target, source_port, target_port);
  for (int shown = 0; payload < end && shown < shown_bytes; shown++) printf("%02x", *payload++);
  putchar('\n');
}

static void read_packets(int fd) {
  for (;;) {
    unsigned char frame[frame_bytes];
    char control[128];
    struct sockaddr_ll from;
    struct iovec part = {frame, sizeof frame};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
    if (size < 0) {
      if (errno == EAGAIN || errno == EINTR || errno == ENETDOWN) return;
      fail("capture");
    }
    uint64_t wall_ns = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
      if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
        struct timespec stamp;
        memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
        wall_ns = (uint64_t)stamp.tv_sec * 1000000000u + (uint64_t)stamp.tv_nsec;
      }
    /* The kernel stamps by the wall clock; both clocks are read now, some milliseconds after the stamp at most. */
    uint64_t at_ns = read_ns(CLOCK_MONOTONIC) - (read_ns(CLOCK_REALTIME) - wall_ns);
    show_frame(frame, (size_t)size, at_ns, from.sll_pkttype == PACKET_OUTGOING ? "out" : "in");
  }
}

static void read_netlink(int fd) {
  char buffer[8192];
  ssize_t size = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  uint64_t at_ns = read_ns(CLOCK_MONOTONIC);
  if (size < 0) return;
  for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, size); m = NLMSG_NEXT(m, size)) {
    if (m->nlmsg_type != RTM_NEWADDR && m->nlmsg_type != RTM_DELADDR) continue;
    struct ifaddrmsg *body = NLMSG_DATA(m);
    int left = (int)IFA_PAYLOAD(m);
    for (struct rtattr *a = IFA_RTA(body); RTA_OK(a, left); a = RTA_NEXT(a, left))
      if (a->rta_type == IFA_LOCAL) {
        char text[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, RTA_DATA(a), text, sizeof text);
        printf("address %llu %s %s\n", (unsigned long long)at_ns, m->nlmsg_type == RTM_NEWADDR ? "added" : "removed", text);
      }
  }
  fflush(stdout);
}

int main(int count, char **args) {
  if (count != 3) {
    fprintf(stderr, "usage: referee DEVICE RTPRIO\n");
    return 2;
  }
  static char output[1 << 16];
  setvbuf(stdout, output, _IOFBF, sizeof output);
  int packets = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
  if (packets < 0) fail("packet socket");
  int on = 1, room = 16 << 20;
  struct sockaddr_ll local = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(args[1])};
  if (local.sll_ifindex == 0 || bind(packets, (struct sockaddr *)&local, sizeof local) < 0) fail(args[1]);
  if (setsockopt(packets, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0) fail("SO_TIMESTAMPNS");
  if (setsockopt(packets, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0) fail("SO_RCVBUFFORCE");
  int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  struct sockaddr_nl group = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR};
  if (netlink < 0 || bind(netlink, (struct sockaddr *)&group, sizeof group) < 0) fail("netlink");
  struct sched_param param = {.sched_priority = atoi(args[2])};
  if (param.sched_priority > 0 && sched_setscheduler(0, SCHED_RR, &param) < 0) fail("real-time scheduling");
  puts("ready");
  fflush(stdout);
  for (uint64_t next_ns = 0;;) {
    struct pollfd watched = {.fd = netlink, .events = POLLIN};
    if (poll(&watched, 1, read_every_ms) > 0) read_netlink(netlink);
    uint64_t until_ns = read_ns(CLOCK_MONOTONIC);
    if (until_ns >= next_ns) {
      next_ns = until_ns + read_every_ms * 900000u;
      read_packets(packets);
      struct tpacket_stats counts;
      socklen_t size = sizeof counts;
      if (getsockopt(packets, SOL_PACKET, PACKET_STATISTICS, &counts, &size) == 0 && counts.tp_drops > 0) printf("lost %u\n", counts.tp_drops);
      printf("until %llu\n", (unsigned long long)until_ns);
      fflush(stdout);
    }
    if (ferror(stdout)) return 1;
  }
}
