/*
 * The floor: a heartbeat that does nothing else. epoll, two timerfds, one socket.
 *
 * It is the yardstick beside which everything is measured on the same machine in the same minute: nobody who waits for a deadline in user
 * space and asks the kernel for an address can be much faster.
 *
 *   floor LOCAL PEER PORT KEEPALIVE_US DEADTIME_US RTPRIO [ADDRESS PREFIX DEVICE]
 *
 * Lines on standard output, times in ns of CLOCK_MONOTONIC:
 *   up T              the peer was heard (again)
 *   dead T HEARD      the decision, and when the peer was last heard
 *   address T         the kernel has acknowledged the address
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void arm(int fd, uint64_t at_ns) {
  struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(at_ns / 1000000000u), .tv_nsec = (long)(at_ns % 1000000000u)}};
  if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0) fail("timerfd_settime");
}

static int netlink_fd, arp_fd = -1;
static struct in_addr address;
static int prefix, device_index;
static unsigned char mac[6];

static void open_network(const char *text, const char *length, const char *device) {
  if (inet_pton(AF_INET, text, &address) != 1) fail("address");
  prefix = atoi(length);
  device_index = (int)if_nametoindex(device);
  if (device_index == 0) fail(device);
  netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (netlink_fd < 0) fail("netlink");
  arp_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (arp_fd < 0) fail("packet socket");
  struct ifreq request = {0};
  strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  if (ioctl(arp_fd, SIOCGIFHWADDR, &request) < 0) fail("hardware address");
  memcpy(mac, request.ifr_hwaddr.sa_data, 6);
}

static int change_address(int type, int flags) {
  struct {
    struct nlmsghdr header;
    struct ifaddrmsg body;
    struct rtattr attribute;
    struct in_addr value;
  } message = {
      .header = {.nlmsg_len = sizeof message, .nlmsg_type = (uint16_t)type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags)},
      .body = {.ifa_family = AF_INET, .ifa_prefixlen = (uint8_t)prefix, .ifa_index = (uint32_t)device_index},
      .attribute = {.rta_len = RTA_LENGTH(sizeof(struct in_addr)), .rta_type = IFA_LOCAL},
      .value = address,
  };
  if (send(netlink_fd, &message, sizeof message, 0) < 0) fail("netlink send");
  char answer[512];
  ssize_t size = recv(netlink_fd, answer, sizeof answer, 0);
  if (size < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr))) fail("netlink answer");
  return ((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)answer))->error;
}

static void announce(void) {
  unsigned char frame[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1};
  memcpy(frame + 6, mac, 6);
  memcpy(frame + 22, mac, 6);
  memcpy(frame + 28, &address, 4);
  memcpy(frame + 38, &address, 4);
  struct sockaddr_ll target = {.sll_family = AF_PACKET, .sll_ifindex = device_index, .sll_halen = 6};
  memset(target.sll_addr, 0xff, 6);
  if (sendto(arp_fd, frame, sizeof frame, 0, (struct sockaddr *)&target, sizeof target) < 0) fail("gratuitous ARP");
}

int main(int count, char **args) {
  if (count != 7 && count != 10) {
    fprintf(stderr, "usage: floor LOCAL PEER PORT KEEPALIVE_US DEADTIME_US RTPRIO [ADDRESS PREFIX DEVICE]\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(args[3]))};
  struct sockaddr_in peer = local;
  if (inet_pton(AF_INET, args[1], &local.sin_addr) != 1 || inet_pton(AF_INET, args[2], &peer.sin_addr) != 1) fail("address");
  uint64_t keepalive_ns = strtoull(args[4], NULL, 10) * 1000u, deadtime_ns = strtoull(args[5], NULL, 10) * 1000u;
  if (count == 10) open_network(args[7], args[8], args[9]);
  struct sched_param param = {.sched_priority = atoi(args[6])};
  if (param.sched_priority > 0 && sched_setscheduler(0, SCHED_RR, &param) < 0) perror("no real-time scheduling");

  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) < 0) fail("socket");
  int send_timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), dead_timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  int poll_fd = epoll_create1(0);
  int watched[] = {fd, send_timer, dead_timer};
  for (int i = 0; i < 3; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = watched[i]};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, watched[i], &event) < 0) fail("epoll_ctl");
  }
  uint64_t due_ns = now_ns(), heard_ns = 0;
  int alive = 0;
  arm(send_timer, due_ns);
  for (;;) {
    struct epoll_event events[3];
    int ready = epoll_wait(poll_fd, events, 3, -1);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    char packet[256];
    uint64_t expired;
    /* The socket first, whatever else is ready: what has arrived counts before any deadline. */
    while (recv(fd, packet, sizeof packet, 0) > 0) {
      heard_ns = now_ns();
      if (alive) continue;
      alive = 1;
      printf("up %llu\n", (unsigned long long)heard_ns);
      if (device_index) change_address(RTM_DELADDR, 0);
    }
    uint64_t at_ns = now_ns();
    if (read(send_timer, &expired, sizeof expired) > 0) {
      if (sendto(fd, "beat", 4, 0, (struct sockaddr *)&peer, sizeof peer) < 0 && errno == EBADF) fail("sendto");
      while (due_ns <= at_ns) due_ns += keepalive_ns;
      arm(send_timer, due_ns);
    }
    /* Also taken back, as a dead peer needs no timer: a timer that has fired would be ready for ever. */
    (void)!read(dead_timer, &expired, sizeof expired);
    if (alive && at_ns - heard_ns >= deadtime_ns && heard_ns <= at_ns) {
      alive = 0;
      if (device_index) {
        int error = change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
        uint64_t added_ns = now_ns();
        if (error == 0) announce();
        printf("address %llu %d\n", (unsigned long long)added_ns, error);
      }
      if (sendto(fd, "dead", 4, 0, (struct sockaddr *)&peer, sizeof peer) < 0 && errno == EBADF) fail("sendto");
      printf("dead %llu %llu\n", (unsigned long long)at_ns, (unsigned long long)heard_ns);
    } else if (alive) arm(dead_timer, heard_ns + deadtime_ns);
  }
}
